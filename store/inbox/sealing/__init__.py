"""Sealed bodies: how are they encrypted, and which key opens which?"""
