"""What can an operator type? One module per command group."""
