"""Results become terminal tables, figures and pages. The only room that imports rich and matplotlib."""
