"""The tutorial's model of the S&P 500: its data, its training and its pictures. Not part of the installed package."""
