"""What may other systems read and do? One module per resource."""
