"""What does each documented word of a vendor say about an approval?"""
