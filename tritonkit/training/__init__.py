"""A recipe and labelled data -> weights: the loop is Lightning's, what it does is stated in the recipe."""
