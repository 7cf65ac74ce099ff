//! All that one machine runs, as a library: router, dynos, control and the tasks between them.
