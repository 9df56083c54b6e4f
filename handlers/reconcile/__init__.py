"""Where does the vendor disagree with us, and how is that repaired?"""
