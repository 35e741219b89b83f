"""Routing: conditions, rules and the decision with its explanation. Pure: an object comes as a `Subject`."""
