// The library's own: what descent_error() returns on this thread from now on.
#ifndef DESCENT_ERROR_H
#define DESCENT_ERROR_H

void descent_set_error(const char *text);

#endif
