"""Which erasures does a restored database lack, and may it be read meanwhile?"""
