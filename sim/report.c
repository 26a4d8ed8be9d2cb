/* sim/report.c: which report. */
#include "report.h"
#include "cli.h"

int report_write(enum report_format format, const struct report_run *run, size_t traces, size_t machines,
                 FILE *out)
{
    size_t n = traces * machines;
    switch (format) {
    case REPORT_JSON:
        return report_json(run, n, out);
    case REPORT_CSV:
        report_csv(run, n, out);
        return CLI_OK;
    case REPORT_TEXT:
        break;
    }
    return n == 1 ? report_text(run, out) : report_table(run, traces, machines, out);
}
