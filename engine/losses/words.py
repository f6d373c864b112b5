"""What the fields that every loss has say."""

TARGET_HELP = "Which array of the data set holds the targets; usually y."
WEIGHT_HELP = "Factor of this loss in the sum of all losses of the network."
