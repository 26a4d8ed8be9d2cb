/* sim/shell.h: what the parts of the prompt share. */
#ifndef SIM_SHELL_H
#define SIM_SHELL_H

#include "script.h"

/* The words that may stand at the end of a line. */
struct shell_words {
    char **word;
    size_t n;
    size_t typed; /* bytes of them that the line has already */
};
/* What may complete the first `n` bytes of a line: commands, arguments, fields, $names, files. Sorted; free
 * it in any case. False: out of memory. */
bool shell_complete(const struct script *s, const char *line, size_t n, struct shell_words *words);
void shell_words_free(struct shell_words *words);

#endif
