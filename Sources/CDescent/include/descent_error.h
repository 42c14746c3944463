// Internal: sets the message that descent_error() returns on this thread.
#ifndef DESCENT_ERROR_H
#define DESCENT_ERROR_H

void descent_set_error(const char *text);

#endif
