"""Whose personal data is kept until when, and how is it erased?"""
