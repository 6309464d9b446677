"""Labels of heads: one file for each labeller, behind one signature."""
