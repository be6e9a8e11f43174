"""What Ottery says of itself: metrics, logs, health."""
