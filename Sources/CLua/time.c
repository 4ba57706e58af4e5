// The wall clock, and the two ways HTTP and its users write it. All of it is UTC in the Gregorian calendar, years 0 to
// 9999. Nothing here asks the system for more than `mrt_wall_clock_ms`.
#include <stdio.h>
#include <string.h>

#include "internal.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct date {
    int year, month, day, hour, minute, second;
};

// MARK: The calendar

/// Days since 1970-01-01. Years are counted from March, so that the leap day is the last one.
static int64_t days_of(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_of(int64_t seconds) {
    int64_t day = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        day--;
    }
    day += 719468;
    int64_t era = (day >= 0 ? day : day - 146096) / 146097;
    int64_t of_era = day - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * of_year + 2) / 153);
    struct date date = {
        .year = (int)(year + era * 400), .day = (int)(of_year - (153 * month + 2) / 5 + 1), .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60), .second = (int)(rest % 60),
    };
    date.month = month < 10 ? month + 3 : month - 9;
    if (date.month <= 2) date.year++;
    return date;
}

static bool is_date(const struct date *d) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (d->month < 1 || d->month > 12 || d->year < 0 || d->year > 9999) return false;
    bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
    int length = lengths[d->month - 1] + (d->month == 2 && leap);
    // A leap second is the next minute's first.
    return d->day >= 1 && d->day <= length && d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

static int64_t seconds_of(const struct date *d) {
    return days_of(d->year, d->month, d->day) * 86400 + d->hour * 3600 + d->minute * 60 + d->second;
}

static const int64_t FIRST = -62167219200, LAST = 253402300799;

// MARK: Reading

struct scan {
    const char *at, *end;
    bool broken;
};

static int number(struct scan *s, int width) {
    int value = 0;
    for (int digit = 0; digit < width; digit++) {
        if (s->broken || s->at == s->end || *s->at < '0' || *s->at > '9') {
            s->broken = true;
            return 0;
        }
        value = value * 10 + (*s->at++ - '0');
    }
    return value;
}

static void expect(struct scan *s, const char *text) {
    size_t size = strlen(text);
    s->broken = s->broken || (size_t)(s->end - s->at) < size || memcmp(s->at, text, size) != 0;
    if (!s->broken) s->at += size;
}

/// Which of the three-letter names is next, from 0.
static int name(struct scan *s, const char *names) {
    for (int at = 0; !s->broken && names[3 * at]; at++) {
        if (s->end - s->at >= 3 && memcmp(s->at, names + 3 * at, 3) == 0) {
            s->at += 3;
            return at;
        }
    }
    s->broken = true;
    return 0;
}

static void clock_time(struct scan *s, struct date *d) {
    d->hour = number(s, 2);
    expect(s, ":");
    d->minute = number(s, 2);
    expect(s, ":");
    d->second = number(s, 2);
}

/// RFC 3339, a profile of ISO 8601: a date, a time and an offset. Milliseconds; finer fractions are cut off.
static bool scan_iso8601(struct scan *s, int64_t *ms) {
    struct date d;
    d.year = number(s, 4);
    expect(s, "-");
    d.month = number(s, 2);
    expect(s, "-");
    d.day = number(s, 2);
    if (s->broken || s->at == s->end || !strchr("Tt ", *s->at) || !*s->at) return false;
    s->at++;
    clock_time(s, &d);
    int fraction = 0, weight = 100;
    if (!s->broken && s->at < s->end && *s->at == '.') {
        s->at++;
        const char *start = s->at;
        for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, weight /= 10) fraction += weight * (*s->at - '0');
        if (s->at == start || s->at - start > 9) return false;
    }
    if (s->broken || s->at == s->end) return false;
    int offset = 0;
    char zone = *s->at++;
    if (zone == '+' || zone == '-') {
        int hours = number(s, 2);
        expect(s, ":");
        int minutes = number(s, 2);
        if (hours > 23 || minutes > 59) return false;
        offset = (zone == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    } else if (zone != 'Z' && zone != 'z') {
        return false;
    }
    if (s->broken || s->at != s->end || !is_date(&d)) return false;
    *ms = (seconds_of(&d) - offset) * 1000 + fraction;
    return true;
}

/// RFC 9110 section 5.6.7: the date HTTP writes, and the two old ones it must understand.
static bool scan_http_date(struct scan *s, int64_t *seconds) {
    struct date d;
    int weekday = name(s, days);
    if (s->broken || s->at == s->end) return false;
    if (*s->at == ',') {  // Sun, 06 Nov 1994 08:49:37 GMT
        expect(s, ", ");
        d.day = number(s, 2);
        expect(s, " ");
        d.month = name(s, months) + 1;
        expect(s, " ");
        d.year = number(s, 4);
        expect(s, " ");
        clock_time(s, &d);
        expect(s, " GMT");
    } else if (*s->at == ' ') {  // Sun Nov  6 08:49:37 1994
        expect(s, " ");
        d.month = name(s, months) + 1;
        expect(s, " ");
        bool padded = !s->broken && s->at < s->end && *s->at == ' ';
        if (padded) s->at++;
        d.day = number(s, padded ? 1 : 2);
        expect(s, " ");
        clock_time(s, &d);
        expect(s, " ");
        d.year = number(s, 4);
    } else {  // Sunday, 06-Nov-94 08:49:37 GMT
        static const char *const rests[] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};
        expect(s, rests[weekday]);
        expect(s, ", ");
        d.day = number(s, 2);
        expect(s, "-");
        d.month = name(s, months) + 1;
        expect(s, "-");
        d.year = number(s, 2);
        expect(s, " ");
        clock_time(s, &d);
        expect(s, " GMT");
        // More than 50 years ahead means the century before.
        int now = date_of((int64_t)(mrt_wall_clock_ms() / 1000)).year;
        d.year += now / 100 * 100;
        if (d.year > now + 50) d.year -= 100;
    }
    if (s->broken || s->at != s->end || !is_date(&d)) return false;
    *seconds = seconds_of(&d);
    return true;
}

// MARK: The functions

static int time_now(lua_State *L) {
    mrt_charge(L, 10);
    lua_pushnumber(L, (lua_Number)mrt_wall_clock_ms() / 1000);
    return 1;
}

static int time_now_ms(lua_State *L) {
    mrt_charge(L, 10);
    lua_pushinteger(L, (lua_Integer)mrt_wall_clock_ms());
    return 1;
}

/// A point in time, or the present when there is none. `unit` is how many make a second.
static lua_Integer time_argument(lua_State *L, lua_Integer unit) {
    lua_Integer time = (lua_Integer)mrt_wall_clock_ms() * unit / 1000;
    if (!lua_isnoneornil(L, 1)) {
        lua_Number given = luaL_checknumber(L, 1);
        bool in_range = given >= (lua_Number)(FIRST * unit) && given < (lua_Number)((LAST + 1) * unit);
        luaL_argcheck(L, in_range, 1, "outside of years 0 to 9999");
        time = lua_isinteger(L, 1) ? lua_tointeger(L, 1) : (lua_Integer)given - (given < (lua_Number)(lua_Integer)given);
    }
    return time;
}

static int time_iso8601(lua_State *L) {
    mrt_charge(L, 50);
    lua_Integer ms = time_argument(L, 1000);
    lua_Integer fraction = (ms % 1000 + 1000) % 1000;
    struct date d = date_of((ms - fraction) / 1000);
    char text[64];
    snprintf(
        text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", d.year, d.month, d.day, d.hour, d.minute, d.second,
        (int)fraction);
    lua_pushstring(L, text);
    return 1;
}

static int time_http_date(lua_State *L) {
    mrt_charge(L, 50);
    lua_Integer seconds = time_argument(L, 1);
    struct date d = date_of(seconds);
    int weekday = (int)(((days_of(d.year, d.month, d.day) + 4) % 7 + 7) % 7);
    char text[64];
    snprintf(
        text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * weekday, d.day,
        months + 3 * (d.month - 1), d.year, d.hour, d.minute, d.second);
    lua_pushstring(L, text);
    return 1;
}

static int parse(lua_State *L, bool (*scan)(struct scan *s, int64_t *time)) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    struct scan s = {text, text + size, false};
    int64_t time;
    mrt_charge(L, 50);
    if (scan(&s, &time)) lua_pushinteger(L, time);
    else lua_pushnil(L);
    return 1;
}

static int time_parse_iso8601(lua_State *L) { return parse(L, scan_iso8601); }
static int time_parse_http_date(lua_State *L) { return parse(L, scan_http_date); }

void mrt_open_clock(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"now", time_now},
        {"now_ms", time_now_ms},
        {"iso8601", time_iso8601},
        {"parse_iso8601", time_parse_iso8601},
        {"http_date", time_http_date},
        {"parse_http_date", time_parse_http_date},
        {NULL, NULL},
    };
    mrt_push_library(L, functions, "time");
}
