"""How does gunicorn run the web process and the console: which settings do they share, and what does it report?"""
