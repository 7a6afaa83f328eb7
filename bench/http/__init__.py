"""What HTTP reaches, measured."""
