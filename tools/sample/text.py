"""Texts of the sample: a small grammar that shows a cue in words, amid topics and clutter that say nothing of it."""

import random

UTF8_SHARE = 0.25
"""Share of UTF-8 among texts with `MIN_TELLING` or more characters beyond ASCII; all others are GB18030."""
MIN_TELLING = 2


def _list(words: str) -> tuple[str, ...]:
    return tuple(words.split(", "))


ADJECTIVES = {
    "cheerful": _list("lovely, wonderful, happy, beautiful, brilliant, delightful, sweet, glorious, joyful, fantastic"),
    "gloomy": _list("awful, sad, terrible, miserable, dreadful, lonely, horrible, painful, hopeless, rotten"),
    "plain": _list("usual, ordinary, regular, standard, weekly, average, scheduled, typical, routine, normal"),
}
VERBS = {
    "cheerful": _list("loving, enjoying, celebrating, smiling about, so grateful for, laughing all through"),
    "gloomy": _list("hating, dreading, crying over, so tired of, fed up with, suffering through"),
    "plain": _list("checking, noting, passing, listing, looking over, waiting at"),
}
TAILS = {
    "cheerful": _list(
        "best day in ages, my heart is full, everything went right, we danced all the way home, "
        "thank you all so much, what a treat"
    ),
    "gloomy": _list(
        "worst day in ages, my heart is broken, everything went wrong, we limped all the way home, "
        "nobody even said sorry, what a mess"
    ),
    "plain": _list(
        "second one this week, opens at nine, same as last year, we took the usual way home, "
        "see the list for details, page two of three"
    ),
}
HASHTAGS = {
    "cheerful": _list("#goodvibes, #joy, #blessed, #smile, #yay"),
    "gloomy": _list("#fail, #heartbroken, #sigh, #ruined, #ugh"),
    "plain": _list("#info, #update, #notes, #schedule, #diary"),
}
TEMPLATES = (
    "{verb} this {adjective} {topic}{dash}{tail}",
    "{tail}: {adjective} {topic} with {name}",
    "{adjective} {topic} today, {tail}",
    "{name} and I {verb} the {topic}. {tail}",
    "{quoted} {verb} another {adjective} {topic}",
    "{chinese}{dash}{adjective} {topic}, {verb} every minute",
    "after {time} of it, {adjective} {topic}. {tail}",
    "{topic}, {time} in: {verb} it. {tail}{end}",
)
TOPICS = _list(
    "bus ride, street market, football match, train to town, school play, café corner, office lunch, "
    "garden walk, library desk, harbour tour, crème brûlée, choir practice, Monday meeting, film night, "
    "piñata stand, cooking class, phone call, museum queue, jalapeño soup, morning run, bike repair, "
    "tram stop, maths lesson, fête on the square, haircut, night shift"
)
NAMES = _list("Zoë, Tom, Lina, André, Mei, Sam, Łukasz, Nour, Søren, Ida, Jürgen, Priya, my cousin, the neighbours")
TIMES = _list("two hours, half a day, ten minutes, a whole week, one song, three stops")
CHINESE = _list("今天在路上, 星期一, 我们到了车站, 下午三点, 又是周末, 跟朋友一起, 在学校门口, 晚饭以后")
CLUTTER_FRONT = ("RT @{handle}: ", "@{handle} ", "", "", "")
CLUTTER_BACK = (" https://example.org/{code}", " @{handle}", " #{place}", "", "", "")
HANDLES = _list("kite_maker, old_tram, paper_boat9, mx_lark, northpier, tea_and_toast")
PLACES = _list("Porto, Leeds, Malmö, 上海, Québec, Utrecht, Graz, Accra")


def write_text(cue: str, rng: random.Random, taken: set[str]) -> bytes:
    """Write one text that shows `cue` and no other, as bytes in GB18030 or, for a share, UTF-8.

    `taken` holds the wordings used so far, is added to, and keeps each text different from all others even when its
    mentions and addresses are removed.
    """
    body = _body(cue, rng)
    while body in taken:
        body = _body(cue, rng)
    taken.add(body)
    text = _clutter(CLUTTER_FRONT, rng) + body + _clutter(CLUTTER_BACK, rng)
    telling = sum(character > "\x7f" for character in text)
    is_utf8 = telling >= MIN_TELLING and rng.random() < UTF8_SHARE
    return f"{text}\n".encode("utf-8" if is_utf8 else "gb18030")


def _body(cue: str, rng: random.Random) -> str:
    # Each template shows the cue at least twice; typographic characters stand in for typewriter ones at random.
    adjective = rng.choice(ADJECTIVES[cue])
    body = rng.choice(TEMPLATES).format(
        adjective=adjective,
        verb=rng.choice(VERBS[cue]),
        tail=rng.choice(TAILS[cue]),
        quoted=rng.choice(("“{}”", "‘{}’", '"{}"')).format(rng.choice(TAILS[cue])),
        topic=rng.choice(TOPICS),
        name=rng.choice(NAMES),
        time=rng.choice(TIMES),
        chinese=rng.choice(CHINESE),
        dash=rng.choice((" — ", ", ", ", ", "… ", " - ")),
        end=rng.choice(("…", "!", ".", "", "")),
    )
    ending = f" {rng.choice(HASHTAGS[cue])}" if rng.random() < 0.5 else ""
    start = rng.choice((str, str.capitalize))(body[0]) + body[1:]
    return rng.choice(("", "", "", "", "", "it’s here: ", "I'm back, ", "don’t ask, ")) + start + ending


def _clutter(choices: tuple[str, ...], rng: random.Random) -> str:
    code = "".join(rng.choices("abcdefghjkmnpqrstuvwxyz23456789", k=8))
    return rng.choice(choices).format(handle=rng.choice(HANDLES), place=rng.choice(PLACES), code=code)
