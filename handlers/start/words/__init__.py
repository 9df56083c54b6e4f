"""In which words is each vendor asked, and in which does it answer?"""
