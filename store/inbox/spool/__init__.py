"""Where are deliveries kept while the database is unavailable?"""
