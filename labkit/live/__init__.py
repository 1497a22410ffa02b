"""What it takes to show an app to a room full of people: the address to join at, and its QR code."""
