int descent_placeholder;
