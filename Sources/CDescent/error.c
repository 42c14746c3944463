#include "descent_error.h"

#include <string.h>

#include "descent.h"

static _Thread_local char message[1024];

const char *descent_error(void) { return message; }

void descent_set_error(const char *text) {
  strncpy(message, text, sizeof message - 1);
}
