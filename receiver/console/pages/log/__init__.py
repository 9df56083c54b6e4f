"""What shows that nothing that was logged was changed or removed?"""
