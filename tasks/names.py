"""Names that the command line needs before anything heavy is imported."""

RECIPES = ["self_instruct", "tiny_stories_instruct"]  # what a run makes when nothing is said
