/*
 * sim/script_expect.c: expectations: two values and a relation between them. One that fails is told with both
 * values, and the scenario goes on.
 */
#include "script.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum relation {
    EQUAL,
    UNEQUAL,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    IS,
    IS_NOT,
    FAILS,
    CONTAINS,
    LACKS
};
static const char *const RELATIONS[] = {
    "==", "!=", "<", "<=", ">", ">=", "is", "is not", "fails", "contains", "lacks"};
#define EXPECTED "==, !=, <, <=, >, >=, is, is not, fails, contains or lacks"

struct expectation {
    struct script_value left, right;
    enum relation relation;
    const char *at; /* where the relation stands */
};

/* ----- reading one ----- */

bool at_relation(const char *word)
{
    for (size_t i = IS; i <= LACKS; i++)
        if (i != IS_NOT && !strcmp(word, RELATIONS[i]))
            return true;
    return *word && strchr("=!<>", *word);
}

static int read_relation(struct script *s, struct expectation *e)
{
    char word[SCRIPT_NAME];
    e->at = (read_blanks(s), s->at);
    if (!read_word(s, word, sizeof word))
        return script_complain(s, e->at, "expected " EXPECTED ", but the line ends");
    for (size_t i = 0; i <= LACKS; i++)
        if (!strcmp(word, RELATIONS[i])) {
            e->relation = (enum relation)i;
            const char *before = s->at;
            if (i == IS && read_word(s, word, sizeof word) && !strcmp(word, "not"))
                e->relation = IS_NOT;
            else
                s->at = before;
            return CLI_GO;
        }
    return script_complain(s, e->at, "'%s', expected " EXPECTED, word);
}

/* Is the word that stands there the begin of a number, and not a word like 4-level? */
static bool is_number(struct script *s)
{
    char word[SCRIPT_NAME];
    uint64_t value;
    if (!looks_like_number(s) || script_names_word(s) || !peek_word(s, word, sizeof word))
        return false;
    size_t n = strcspn(word, "+-"), more = n + (word[n] != 0);
    if (!word[n])
        return *word == '$' || !cli_number(word, true, &value) || strstr(word, "iB");
    return (word[more] >= '0' && word[more] <= '9') || word[more] == '$' || !word[more];
}

/* What stands on the right of `is`: whatever looks like no number is a word. */
static int read_plain(struct script *s, struct script_value *v)
{
    char text[SCRIPT_TEXT];
    if (is_number(s) || (read_blanks(s), script_names_word(s)))
        return read_value(s, true, v);
    *v = (struct script_value){.start = s->at, .is = {.form = FORM_WORD}};
    int status = read_text(s, "a word", text);
    snprintf(v->is.word, sizeof v->is.word, "%s", text);
    return status;
}

static int read_right(struct script *s, struct expectation *e)
{
    char text[SCRIPT_TEXT];
    int status;
    if (e->relation < IS)
        return read_value(s, true, &e->right);
    if (e->relation == IS || e->relation == IS_NOT)
        return read_plain(s, &e->right);
    status = e->relation == FAILS ? read_outcome(s, text) : read_text(s, "a text", text);
    e->right = (struct script_value){.start = e->at, .is = {.form = FORM_WORD}};
    snprintf(e->right.is.word, sizeof e->right.is.word, "%s", text);
    return status;
}

/* Can the left side have this relation to anything? */
static int check_left(struct script *s, const struct expectation *e)
{
    const struct script_command *c = e->left.command;
    if (!c && (e->relation == FAILS || e->left.is.form != FORM_WORD) && e->relation >= FAILS)
        return script_complain(s, e->at, "'%s' is for commands, and this is %s", RELATIONS[e->relation],
                               e->left.is.form == FORM_WORD ? "a word" : "a number");
    if (c && !c->gives && e->relation != FAILS && e->relation != IS && e->relation != IS_NOT)
        return script_complain(s, e->at, "%s gives no value to compare, expected 'fails' and an outcome",
                               c->name);
    return CLI_GO;
}

static int read_expectation(struct script *s, struct expectation *e)
{
    int status = read_value(s, false, &e->left);
    if (status == CLI_GO)
        status = read_relation(s, e);
    if (status == CLI_GO)
        status = check_left(s, e);
    if (status == CLI_GO)
        status = read_right(s, e);
    const struct script_command *c = status == CLI_GO ? e->right.command : NULL;
    if (c && !c->gives)
        return script_complain(s, e->right.start, "%s gives no value to compare with", c->name);
    return status == CLI_GO ? expect_end(s) : status;
}

/* ----- is it so? ----- */

static bool holds(enum relation relation, int order)
{
    const bool is[] = {[EQUAL] = order == 0,
                       [UNEQUAL] = order != 0,
                       [LESS] = order<0, [LESS_EQUAL] = order <= 0, [GREATER] = order> 0,
                       [GREATER_EQUAL] = order >= 0,
                       [IS] = order == 0,
                       [IS_NOT] = order != 0};
    return is[relation];
}

/* A value as complaints say it; numbers in both forms. */
static void tell(const struct script_field *f, char *buf, size_t size)
{
    if (f->form == FORM_WORD)
        snprintf(buf, size, "%s", f->word);
    else if (f->number < 10)
        snprintf(buf, size, "%" PRIu64, f->number);
    else
        snprintf(buf, size, "%" PRIu64 " (0x%" PRIx64 ")", f->number, f->number);
}

/* Says which expectation failed, with what there was and what should have been. */
static int failed(struct script *s, const char *is, enum relation relation, const char *wanted)
{
    bool plain = relation == EQUAL || relation == IS;
    s->failed++;
    script_complain(s, NULL, "expectation failed: it is %s, expected %s%s%s", is,
                    plain ? "" : RELATIONS[relation], plain ? "" : " ", wanted);
    return CLI_NO;
}

/* Compares two values that there are. */
static int compare(struct script *s, const struct expectation *e, const struct script_field *left,
                   const struct script_field *right)
{
    char is[SCRIPT_WORD], wanted[SCRIPT_WORD];
    bool words = left->form == FORM_WORD, same_form = words == (right->form == FORM_WORD);
    int order = (left->number > right->number) - (left->number < right->number);
    tell(left, is, sizeof is);
    tell(right, wanted, sizeof wanted);
    if (words && (same_form ? e->relation >= LESS && e->relation <= GREATER_EQUAL : e->relation < IS))
        return script_complain(s, e->at, "it is '%.200s', which is no number; expected 'is' and a word", is);
    if (!same_form && e->relation < IS)
        return script_complain(s, e->right.start, "'%.200s' is neither a number nor a command", wanted);
    if (words || !same_form)
        order = strcmp(is, wanted);
    return holds(e->relation, order) ? CLI_OK : failed(s, is, e->relation, wanted);
}

static int check_text(struct script *s, const struct expectation *e, const struct script_result *r,
                      const struct script_field *f)
{
    char is[SCRIPT_WORD];
    const char *wanted = e->right.is.word;
    snprintf(is, sizeof is, "%s", r->outcome[0] ? r->outcome : "done");
    if (e->relation == FAILS)
        return strcmp(is, wanted) ? failed(s, is, FAILS, wanted) : CLI_OK;
    if (f && !r->outcome[0])
        field_print(f, is, sizeof is);
    bool text = r->text && (!*e->left.field);
    bool has = strstr(text ? r->text : is, wanted) != NULL;
    if (has == (e->relation == CONTAINS))
        return CLI_OK;
    return failed(s, text ? has ? "a text that has it" : "a text without it" : is, e->relation, wanted);
}

/* What the left side comes to, as a field: an outcome is a word. NULL: it failed, and that has been told. */
static const struct script_field *left_field(struct script *s, const struct expectation *e,
                                             const struct script_result *r, const struct script_field *f,
                                             struct script_field *outcome)
{
    char is[3 * SCRIPT_WORD], wanted[SCRIPT_WORD];
    bool asked = *e->left.field && f && (size_t)(f - r->field) < r->telling;
    if (f && (!r->outcome[0] || asked))
        return f;
    *outcome = (struct script_field){.form = FORM_WORD};
    snprintf(outcome->word, sizeof outcome->word, "%s", r->outcome[0] ? r->outcome : "done");
    if (e->relation == IS || e->relation == IS_NOT)
        return outcome;
    tell(&e->right.is, wanted, sizeof wanted);
    snprintf(is, sizeof is, "%s, %s", outcome->word, r->why);
    failed(s, is, e->relation, e->right.command ? e->right.command->name : wanted);
    return NULL;
}

static int judge(struct script *s, const struct expectation *e, const struct script_result *r,
                 const struct script_field *f, struct script_result *other)
{
    struct script_field outcome;
    const struct script_field *right = NULL;
    s->expectations++;
    if (e->relation >= FAILS)
        return check_text(s, e, r, f);
    const struct script_field *left = left_field(s, e, r, f, &outcome);
    if (!left)
        return CLI_NO;
    int status = compute_value(s, &e->right, other, &right);
    if (status == CLI_GO && (!right || other->outcome[0]))
        return complain_undone(s, e->right.start, other);
    return status == CLI_GO ? compare(s, e, left, right) : status;
}

int script_expect(struct script *s, struct script_result *r)
{
    const struct script_field *f = NULL;
    struct expectation *e = calloc(1, sizeof *e);
    struct script_result *other = calloc(1, sizeof *other);
    int status = e && other ? read_expectation(s, e) : cli_error("out of memory");
    if (status == CLI_GO)
        status = compute_value(s, &e->left, r, &f);
    if (status == CLI_GO)
        status = judge(s, e, r, f, other);
    if (other)
        result_clear(other);
    free(other);
    free(e);
    return status;
}
