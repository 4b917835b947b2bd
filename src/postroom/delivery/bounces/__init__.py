"""Mail that comes back: ``listener`` takes it, ``reading`` understands it, ``applying`` writes down what it means."""
