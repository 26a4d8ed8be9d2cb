/* sim/walk_json.c: walks as JSON. Addresses and entries are hexadecimal strings: JSON numbers do not hold 64
 * bits. */
#include "walk.h"
#include <inttypes.h>
#include <jansson.h>

static json_t *hex(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%" PRIx64, value);
    return json_string(text);
}

static void add_field(void *ctx, const struct explain_field *field)
{
    json_t *bits =
        field->hi == field->lo ? json_sprintf("%u", field->lo) : json_sprintf("%u:%u", field->hi, field->lo);
    json_array_append_new(ctx,
                          json_pack("{s:o, s:s, s:o, s:s, s:b}", "bits", bits, "name", field->name, "value",
                                    hex(field->value), "meaning", field->meaning, "violated", field->wrong));
}

static json_t *steps_of(const struct walk_request *request, const struct mmu_walk *walk)
{
    struct explain_state state;
    json_t *steps = json_array();
    walk_explain_state(request, &state);
    for (uint32_t i = 0; i < walk->steps; i++) {
        const struct mmu_walk_step *step = &walk->step[i];
        json_t *fields = json_array();
        const char *title = explain_entry(&state, step, add_field, fields);
        json_array_append_new(steps, json_pack("{s:s, s:i, s:o, s:o, s:b, s:b, s:s, s:o}", "level",
                                               mmu_walk_level_name(step->level), "index", (int)step->index,
                                               "address", hex(step->pa), "entry", hex(step->entry),
                                               "register", step->from_register, "leaf", step->leaf, "format",
                                               title, "fields", fields));
    }
    return steps;
}

static json_t *mapping_of(const struct mmu_walk *walk)
{
    return json_pack("{s:o, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:i}", "paddr", hex(walk->pa),
                     "page_bytes", (json_int_t)1 << walk->page_shift, "user", walk->user, "writable",
                     walk->writable, "executable", !walk->no_execute, "accessed", walk->accessed, "dirty",
                     walk->dirty, "global", walk->global, "pcd", walk->pcd, "pwt", walk->pwt, "key",
                     (int)walk->key);
}

static json_t *fault_of(const struct mmu_walk *walk)
{
    json_t *reasons = json_array(), *fault = json_object();
    const struct walk_reason *reason;
    for (size_t i = 0; (reason = walk_reason(i)); i++)
        if (walk->why & reason->why)
            json_array_append_new(reasons, json_string(reason->word));
    json_object_set_new(fault, "exception",
                        walk->outcome == MMU_FAULT_PF   ? json_string("#PF")
                        : walk->outcome == MMU_FAULT_GP ? json_string("#GP")
                                                        : json_null());
    json_object_set_new(fault, "error_code",
                        walk->outcome == MMU_FAULT_PF ? json_integer(walk->error_code) : json_null());
    json_object_set_new(fault, "reasons", reasons);
    const struct mmu_walk_step *step = walk_decider(walk);
    if (step) {
        json_object_set_new(fault, "level", json_string(mmu_walk_level_name(step->level)));
        json_object_set_new(fault, "entry", hex(step->entry));
    } else if (walk->why & MMU_WHY_MEMORY) {
        json_object_set_new(fault, "level", json_string(mmu_walk_level_name(walk_missing_level(walk))));
        json_object_set_new(fault, "at", hex(walk->pa));
    }
    return fault;
}

static json_t *walk_of(const struct walk_request *request, mmu_va va, const struct mmu_walk *walk)
{
    bool done = walk->outcome == MMU_DONE;
    json_t *object = json_pack("{s:o, s:s}", "address", hex(va), "outcome", done ? "mapped" : "fault");
    json_object_update_new(object, done ? mapping_of(walk) : fault_of(walk));
    if (request->explain)
        json_object_set_new(object, "steps", steps_of(request, walk));
    return object;
}

int walk_print_json(FILE *out, const struct walk_request *request, const struct mmu_core *core,
                    const mmu_va *address, size_t n)
{
    json_t *walks = json_array();
    for (size_t i = 0; i < n; i++) {
        struct mmu_walk walk;
        walk_one(request, core, address[i], &walk);
        json_array_append_new(walks, walk_of(request, address[i], &walk));
    }
    json_t *whole = json_pack("{s:s, s:o, s:s, s:b, s:o}", "mode", walk_modes[request->mode - 1], "cr3",
                              hex(request->registers.value[MMU_REG_CR3]), "access",
                              walk_accesses[request->access], "user", request->user, "walks", walks);
    if (!whole)
        return cli_error("out of memory");
    json_dumpf(whole, out, JSON_INDENT(2)); /* a failing write is found when the file is closed */
    fputc('\n', out);
    json_decref(whole);
    return CLI_OK;
}
