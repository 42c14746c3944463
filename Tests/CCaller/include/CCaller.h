// Calls the C library as a program in C would.
#pragma once

// The number of failed checks; each is reported on standard error.
int descent_c_checks(void);
