// Regular expressions: PCRE2, held to the budget.
//
// PCRE2's own limits count backtracks, and between two of them a greedy item may run over the whole subject. So patterns
// are compiled with a callout before each item, and the callout charges for the item and for how far the item before it
// went. It raises nothing, because PCRE2's frames are below it: it ends the match, and what is due is raised after that.
// All of PCRE2's memory is the VM's. There is no just-in-time compiler: it has no callouts worth the name and no need here.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "internal.h"

enum {
    MAX_PATTERN = 4096,
    /// In UTF mode a class may take a comparison for each of its members.
    MAX_UTF_PATTERN = 1024,
    MAX_NESTING = 100,
    MAX_CAPTURES = 63,
    MAX_SUBJECT = 1 << 20,
    /// What a match may keep to go back to, in KiB, and what is kept of that for the next match, in bytes.
    HEAP_LIMIT = 2048,
    KEPT_HEAP = 128 * 1024,
    MAX_BACKTRACKS = 10000000,
};

/// One for each VM: the context every pattern shares, and where matches go.
struct matching {
    struct mrt_object object;
    mrt_vm *vm;
    pcre2_general_context *general;
    pcre2_compile_context *compile;
    pcre2_match_context *match;
    pcre2_match_data *data;
    /// Bytes that PCRE2 has from the VM.
    size_t taken;
};

struct regex {
    struct mrt_object object;
    pcre2_code *code;
    uint32_t captures;
    bool is_utf, looks_back;
};

/// Their addresses are keys of the registry.
static const char matching_key = 0, regex_metatable = 0;

// MARK: Memory

/// Before each block, as PCRE2 does not say how large what it frees is.
struct header {
    size_t size, padding;
};

static void *take_block(size_t size, void *owner) {
    struct matching *matching = owner;
    if (size > SIZE_MAX / 2) return NULL;
    size += sizeof(struct header);
    struct header *header = mrt_allocate(matching->vm, NULL, 0, size);
    if (!header) return NULL;
    header->size = size;
    matching->taken += size;
    return header + 1;
}

static void free_block(void *block, void *owner) {
    if (!block) return;
    struct matching *matching = owner;
    struct header *header = (struct header *)block - 1;
    matching->taken -= header->size;
    mrt_allocate(matching->vm, header, header->size, 0);
}

static struct matching *matching_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &matching_key);
    struct matching *matching = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return matching;
}

static int free_matching(lua_State *L) {
    struct matching *matching = lua_touserdata(L, 1);
    pcre2_match_data_free(matching->data);
    pcre2_match_context_free(matching->match);
    pcre2_compile_context_free(matching->compile);
    pcre2_general_context_free(matching->general);
    matching->data = NULL;
    matching->match = NULL;
    matching->compile = NULL;
    matching->general = NULL;
    return 0;
}

static int free_regex(lua_State *L) {
    struct regex *regex = lua_touserdata(L, 1);
    pcre2_code_free(regex->code);
    regex->code = NULL;
    return 0;
}

// MARK: Compiling

static uint32_t check_flags(lua_State *L, int index) {
    uint32_t options = 0;
    for (const char *flag = luaL_optstring(L, index, ""); *flag; flag++) {
        switch (*flag) {
        case 'i': options |= PCRE2_CASELESS; break;
        case 'm': options |= PCRE2_MULTILINE; break;
        case 's': options |= PCRE2_DOTALL; break;
        case 'x': options |= PCRE2_EXTENDED; break;
        case 'u': options |= PCRE2_UTF | PCRE2_UCP; break;
        default: luaL_error(L, "regex.compile: unknown flag '%c'; there are i, m, s, u and x", *flag);
        }
    }
    return options;
}

static int regex_compile(lua_State *L) {
    size_t size;
    const char *pattern = luaL_checklstring(L, 1, &size);
    uint32_t options = check_flags(L, 2);
    size_t most = options & PCRE2_UTF ? MAX_UTF_PATTERN : MAX_PATTERN;
    if (size > most) return luaL_error(L, "regex.compile: a pattern may have %d bytes", (int)most);
    mrt_charge(L, 500 + 30 * size);
    // The most that 16-bit links can make of a pattern.
    mrt_reserve(L, 128 * 1024 + 16 * size);
    if (!(options & PCRE2_UTF)) options |= PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
    struct matching *matching = matching_of(L);
    struct regex *regex = lua_newuserdatauv(L, sizeof *regex, 0);
    *regex = (struct regex){.object = {.kind = OBJECT_REGEX}};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &regex_metatable);
    lua_setmetatable(L, -2);
    int error;
    PCRE2_SIZE offset;
    regex->code = pcre2_compile(
        (PCRE2_SPTR)pattern, size, options | PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C, &error, &offset, matching->compile);
    if (!regex->code) {
        if (error == PCRE2_ERROR_HEAP_FAILED || error == 121) return mrt_raise_memory(L);
        PCRE2_UCHAR text[160];
        pcre2_get_error_message(error, text, sizeof text);
        return luaL_error(L, "regex.compile: %s at byte %d", (const char *)text, (int)offset + 1);
    }
    size_t compiled = 0;
    uint32_t references = 0;
    pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &compiled);
    pcre2_pattern_info(regex->code, PCRE2_INFO_BACKREFMAX, &references);
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->captures);
    regex->is_utf = (options & PCRE2_UTF) != 0;
    regex->looks_back = references > 0;
    mrt_charge(L, compiled / 4);
    if (regex->captures > MAX_CAPTURES) return luaL_error(L, "regex.compile: more than %d captures", MAX_CAPTURES);
    return 1;
}

// MARK: Matching

/// One search of one call.
struct search {
    lua_State *L;
    struct mrt_run *run;
    const char *subject;
    size_t size;
    const struct regex *regex;
    const PCRE2_SIZE *found;
    /// Where the item before the current one began.
    size_t place;
    /// What a backreference may compare without a trace.
    size_t hidden;
    bool over;
};

/// Before each item of the pattern. Never raises.
static int pay(pcre2_callout_block *callout, void *to) {
    struct search *search = to;
    size_t place = callout->current_position;
    size_t moved = place > search->place ? place - search->place : 0;
    search->place = place;
    struct mrt_run *run = search->run;
    run->used += 2 + moved / 4 + search->hidden;
    if (run->used < run->check_at || run == &run->vm->outside) return 0;
    // The limits that `mrt_check_budget` raises for, once the match is over.
    uint64_t now = mrt_clock();
    if (run->slice_started == 0) run->slice_started = now;
    search->over = run->used > run->max_instructions || run->time_used + (now - run->slice_started) > run->vm->max_time;
    run->check_at = run->used + MRT_PERIOD;
    return search->over ? PCRE2_ERROR_CALLOUT : 0;
}

/// The regex and the subject: arguments 1 and 2.
static struct search begin(lua_State *L) {
    struct regex *regex = mrt_check_lasting(L, OBJECT_REGEX, "regex");
    struct search search = {.L = L, .run = vm_of(L)->current, .regex = regex};
    search.subject = luaL_checklstring(L, 2, &search.size);
    if (!regex->code) luaL_typeerror(L, 1, "regex");
    if (search.size > MAX_SUBJECT) luaL_error(L, "regex: a subject may have %d bytes", MAX_SUBJECT);
    if (regex->looks_back) search.hidden = search.size / 64;
    if (!regex->is_utf) return search;
    // Here once, so that each search of a `gsub` need not.
    mrt_charge(L, search.size / 4);
    const uint8_t *at = (const uint8_t *)search.subject, *end = at + search.size;
    while (at < end) {
        size_t length = mrt_utf8_size(at, end);
        if (length == 0) {
            luaL_error(L, "regex: the subject is not UTF-8 at byte %d", (int)((const char *)at - search.subject) + 1);
        }
        at += length;
    }
    return search;
}

/// Looks for the next match from `start` on; then `found` has where it and its captures are.
static bool next(struct search *search, size_t start, uint32_t options) {
    lua_State *L = search->L;
    struct matching *matching = matching_of(L);
    mrt_charge(L, 20 + (search->size - start) / 256);
    mrt_reserve(L, 64 * 1024);
    if (!matching->data) matching->data = pcre2_match_data_create(MAX_CAPTURES + 1, matching->general);
    if (!matching->data) mrt_raise_memory(L);
    struct mrt_run *run = search->run;
    uint64_t left = run->max_instructions > run->used ? run->max_instructions - run->used : 1;
    uint32_t most = left < MAX_BACKTRACKS ? (uint32_t)left : MAX_BACKTRACKS;
    size_t before = matching->taken;
    search->place = start;
    search->over = false;
    pcre2_set_match_limit(matching->match, most);
    pcre2_set_depth_limit(matching->match, most);
    pcre2_set_callout(matching->match, pay, search);
    int result = pcre2_match(
        search->regex->code, (PCRE2_SPTR)search->subject, search->size, start, options | PCRE2_NO_UTF_CHECK, matching->data,
        matching->match);
    pcre2_set_callout(matching->match, NULL, NULL);
    // What a hard match took to remember is not kept for easy ones.
    if (matching->taken > before + KEPT_HEAP) {
        PCRE2_SIZE *found = pcre2_get_ovector_pointer(matching->data);
        PCRE2_SIZE copy[2 * (MAX_CAPTURES + 1)];
        memcpy(copy, found, sizeof copy);
        pcre2_match_data_free(matching->data);
        matching->data = pcre2_match_data_create(MAX_CAPTURES + 1, matching->general);
        if (!matching->data) mrt_raise_memory(L);
        memcpy(pcre2_get_ovector_pointer(matching->data), copy, sizeof copy);
    }
    if (search->over) mrt_check_budget(L);
    // Places where no match can start are passed over without an item being tried.
    size_t end = result >= 0 ? pcre2_get_ovector_pointer(matching->data)[0] : search->size;
    if (end > start) mrt_charge(L, (end - start) / 8);
    switch (result) {
    case PCRE2_ERROR_NOMATCH: return false;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
        if (most < MAX_BACKTRACKS) mrt_charge(L, most);
        luaL_error(L, "regex: gave up after %d steps", (int)most);
        break;
    case PCRE2_ERROR_HEAPLIMIT: luaL_error(L, "regex: gave up, a match would take more than %d KiB", HEAP_LIMIT); break;
    case PCRE2_ERROR_NOMEMORY: mrt_raise_memory(L); break;
    default:
        if (result < 0) luaL_error(L, "regex: matching failed (%d)", result);
    }
    search->found = pcre2_get_ovector_pointer(matching->data);
    // \K in a lookaround may set a start behind the end.
    if (search->found[0] > search->found[1]) luaL_error(L, "regex: a match starts behind its end");
    return true;
}

/// Pushes group `index`; nil when it took no part in the match.
static void push_group(const struct search *search, uint32_t index) {
    size_t start = search->found[2 * index], end = search->found[2 * index + 1];
    if (start == PCRE2_UNSET || end < start) {
        lua_pushnil(search->L);
        return;
    }
    mrt_push_text(search->L, search->subject + start, end - start);
}

static int push_groups(const struct search *search, bool whole_if_none) {
    uint32_t count = search->regex->captures;
    luaL_checkstack(search->L, (int)count + 4, NULL);
    if (count == 0 && whole_if_none) push_group(search, 0);
    for (uint32_t index = 1; index <= count; index++) push_group(search, index);
    return count == 0 ? whole_if_none : (int)count;
}

/// The optional start, from 1, from the end when negative; as an offset. False when it is behind the end or in a character.
static bool start_argument(lua_State *L, const struct search *search, size_t *start) {
    lua_Integer given = mrt_optional_integer(L, 3, 1);
    if (given < 0) given = given < -(lua_Integer)search->size ? 1 : (lua_Integer)search->size + given + 1;
    *start = given > 0 ? (size_t)given - 1 : 0;
    if (*start > search->size) return false;
    return !search->regex->is_utf || *start == search->size || (search->subject[*start] & 0xc0) != 0x80;
}

static int regex_match(lua_State *L) {
    struct search search = begin(L);
    size_t start;
    if (start_argument(L, &search, &start) && next(&search, start, 0)) return push_groups(&search, true);
    lua_pushnil(L);
    return 1;
}

static int regex_find(lua_State *L) {
    struct search search = begin(L);
    size_t start;
    if (!start_argument(L, &search, &start) || !next(&search, start, 0)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)search.found[0] + 1);
    lua_pushinteger(L, (lua_Integer)search.found[1]);
    return 2 + push_groups(&search, false);
}

static int regex_test(lua_State *L) {
    struct search search = begin(L);
    size_t start;
    lua_pushboolean(L, start_argument(L, &search, &start) && next(&search, start, 0));
    return 1;
}

// MARK: Replacing

static void add_replacement(struct mrt_text *out, const struct search *search, const char *text, size_t size) {
    mrt_charge(out->L, 1 + size / 4);
    for (size_t at = 0; at < size; at++) {
        if (text[at] != '\\') {
            mrt_text_add_byte(out, text[at]);
            continue;
        }
        char c = ++at < size ? text[at] : 0;
        if (c == '\\') {
            mrt_text_add_byte(out, c);
        } else if (c >= '0' && c <= '9' && (uint32_t)(c - '0') <= search->regex->captures) {
            size_t start = search->found[2 * (c - '0')], end = search->found[2 * (c - '0') + 1];
            if (start == PCRE2_UNSET || end < start) continue;
            mrt_charge(out->L, (end - start) / 16);
            mrt_text_add(out, search->subject + start, end - start);
        } else {
            luaL_error(out->L, "regex: in a replacement, \\ comes before another or the number of a capture");
        }
    }
}

static int regex_gsub(lua_State *L) {
    struct search search = begin(L);
    size_t length;
    const char *replacement = mrt_check_text(L, 3, &length);
    lua_Integer most = mrt_optional_integer(L, 4, (lua_Integer)search.size + 1), count = 0;
    struct mrt_text out;
    mrt_text_begin(&out, L);
    size_t at = 0, copied = 0;
    uint32_t options = 0;
    while (count < most && at <= search.size) {
        if (next(&search, at, options) && search.found[1] >= at && search.found[0] >= copied) {
            count++;
            mrt_charge(L, (search.found[0] - copied) / 16);
            mrt_text_add(&out, search.subject + copied, search.found[0] - copied);
            add_replacement(&out, &search, replacement, length);
            copied = at = search.found[1];
            // Behind an empty match only one that is not will do, or the search goes on a character further.
            options = search.found[0] == search.found[1] ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
        } else if (options != 0) {
            options = 0;
            at++;
            while (search.regex->is_utf && at < search.size && (search.subject[at] & 0xc0) == 0x80) at++;
        } else {
            break;
        }
    }
    mrt_charge(L, (search.size - copied) / 16);
    mrt_text_add(&out, search.subject + copied, search.size - copied);
    mrt_text_push(&out);
    lua_pushinteger(L, count);
    return 2;
}

// MARK: The library

void mrt_open_regex(lua_State *L) {
    static const luaL_Reg functions[] = {{"compile", regex_compile}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"match", regex_match}, {"find", regex_find}, {"test", regex_test}, {"gsub", regex_gsub}, {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};
    struct matching *matching = lua_newuserdatauv(L, sizeof *matching, 0);
    *matching = (struct matching){.object = {.kind = OBJECT_MATCHER}, .vm = vm_of(L)};
    mrt_push_metatable(L, none, free_matching, "regex");
    lua_setmetatable(L, -2);
    matching->general = pcre2_general_context_create(take_block, free_block, matching);
    matching->compile = pcre2_compile_context_create(matching->general);
    matching->match = pcre2_match_context_create(matching->general);
    if (!matching->general || !matching->compile || !matching->match) mrt_raise_memory(L);
    pcre2_set_parens_nest_limit(matching->compile, MAX_NESTING);
    pcre2_set_heap_limit(matching->match, HEAP_LIMIT);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &matching_key);
    mrt_push_metatable(L, methods, free_regex, "regex");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &regex_metatable);
    mrt_push_library(L, functions, "regex");
}
