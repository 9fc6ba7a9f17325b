"""The section about presence."""

from lib import names, text
from lib.parts import presence as plan
from lib.parts.presence import ALONE, PLAIN, PRESENT, WITH_USERS, label
from lib.report.tools import OWN, Page, ratio_word, spread
from lib.results import Cell, Part


def presence(page: Page, part: Part) -> str:
    out = ["A channel with presence beside a plain one; in both all clients are subscribed by name "
           "and each is a user of its own, so that each is a member. They are more than "
           "`--presence-max`, so that only their number is told.\n"]
    rows = []
    for cell in part.cells:
        for own in OWN if "window" in cell.key else ():
            with_, without = label(own, PRESENT), label(own, PLAIN)
            rows.append([names.title(own), text.whole(cell.key["clients"]),
                         str(cell.key["window"]), page.rate(cell, with_),
                         page.rate(cell, without), ratio_word(cell.ratio(with_, without))])
    if rows:
        out.append(f"Fan-out of {plan.SIZE} B in deliveries a second, the two up at once and "
                   "measured in turn; *ratio* is within each round:\n")
        out.append(text.table(["", "members", "under way", "with presence", "without", "ratio"],
                              rows, left=1))
    for cell in part.cells:
        if "memory" in cell.key and cell.runs:
            out.append(_memory(cell))
        elif "joins" in cell.key and cell.runs:
            out.append(_joins(cell))
    return "\n".join(out)


def _memory(cell: Cell) -> str:
    rows = []
    for own in OWN:
        for users in (ALONE, WITH_USERS):
            found = [cell.summary(label(own, f"{which} {users}"), "user")
                     for which in (PRESENT, PLAIN)]
            if all(found):
                rows.append([names.title(own), f"`{users}`"]
                            + [f"{text.size(f.median)} {spread(f)}" for f in found]
                            + [text.size(found[0].median - found[1].median)])
    return (f"\nUser memory of each of {text.whole(cell.key['memory'])} idle clients, measured as "
            "in [Memory of idle clients](#memory-of-idle-clients); the difference is what a member "
            "of the channel takes, and that between the lines what a member of `fanfare.users` "
            "takes:\n\n"
            + text.table(["", "", "with presence", "without", "difference"], rows, left=2))


def _joins(cell: Cell) -> str:
    rows = []
    for own in OWN:
        for which in (PRESENT, PLAIN):
            one = label(own, which)
            taken = cell.summary(one, "connect_seconds")
            if taken:
                each = cell.median(one, "sent") / cell.median(one, "clients")
                rows.append([names.title(own), which, f"{taken.median:.2f} s {spread(taken)}",
                             text.size(cell.median(one, "sent")), text.size(each),
                             text.whole(int(cell.median(one, "events")))])
    return (f"\n{text.whole(cell.key['joins'])} clients join as fast as they can, 256 at once; "
            "nobody is cut off. *Sent* is all that the server wrote to them, up to the moment when "
            "nothing is to be told any more; *events* are changes of presence that were "
            "published, those of `fanfare.users`, to which nobody listens, included:\n\n"
            + text.table(["", "channel", "until all are there", "sent", "to each", "events"], rows,
                         left=2))
