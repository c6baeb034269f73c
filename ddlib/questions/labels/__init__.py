"""Images or labels: what would real images with good labels teach?"""
