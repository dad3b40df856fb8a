"""The command line against damaged, odd and hostile files."""
