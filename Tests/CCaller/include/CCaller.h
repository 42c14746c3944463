// Calls the C library as a program in C would.
#pragma once

// How many checks failed; each is told of on standard error.
int descent_c_checks(void);
