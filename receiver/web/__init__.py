"""What does every HTTP request go through, whatever it asks? (id, body, path, token, query, error)"""
