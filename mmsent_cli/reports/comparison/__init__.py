"""Report a comparison of fusions or of augmentations: tables, figures and page."""
