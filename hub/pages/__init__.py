"""The Hub's own pages, and the frame that all pages of Atrium share."""
