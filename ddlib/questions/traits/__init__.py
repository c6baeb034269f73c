"""Do distilled photographs help those that share their visible traits?"""
