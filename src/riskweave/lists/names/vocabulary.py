"""Words that names are made of but that name nobody: legal forms, titles, particles; and other spellings."""

from __future__ import annotations

# One legal form per line: what it is counted as, then how it is written (after reading: no dots, no accents).
_LEGAL_FORMS = """
ltd: ltd, limited, pte ltd, pty ltd, co ltd, company limited, limited company, private limited, pvt ltd
ltd: you xian gong si
plc: plc, public limited company
llc: llc, limited liability company, ooo, too, obschestvo s ogranichennoy otvetstvennostyu
llc: obshchestvo s ogranichennoi otvetstvennostiu, obshchestvo s ogranichennoy otvetstvennostyu, tov
llc: wll, l l c, fzco, fze, fz llc, dmcc
llp: llp, limited liability partnership, lp, limited partnership
jsc: jsc, ao, oao, zao, pao, ojsc, cjsc, pjsc, joint stock company, open joint stock company
jsc: closed joint stock company, public joint stock company, aktsionernoe obshchestvo
jsc: aktsionernoye obshchestvo, otkrytoe aktsionernoe obshchestvo, zakrytoe aktsionernoe obshchestvo
jsc: publichnoe aktsionernoe obshchestvo, joint stock co, stock company, pjs, gu fen you xian gong si
ag: ag, aktiengesellschaft, akg
gmbh: gmbh, gesellschaft mit beschrankter haftung, ges mbh
inc: inc, incorporated
corp: corp, corporation
co: co, company, cie, compagnie, kompaniya, gong si
sa: sa, societe anonyme, sociedad anonima, sociedade anonima, societate pe actiuni
sarl: sarl, societe a responsabilite limitee
srl: srl, societatea cu raspundere limitata, societa a responsabilita limitata
srl: sociedad de responsabilidad limitada, sociedad limitada, sl
spa: spa, societa per azioni
sas: sas, societe par actions simplifiee
bv: bv, besloten vennootschap
nv: nv, naamloze vennootschap
as: as, aksjeselskap, anonim sirketi, a s, aktieselskab
ab: ab, aktiebolag
oy: oy, oyj, osakeyhtio
zoo: sp z o o, sp z oo, sp zoo, spzoo, spolka z ograniczona odpowiedzialnoscia
sro: sro, s r o, spol s r o
doo: doo, d o o
kft: kft, korlatolt felelossegu tarsasag
kk: kk, kabushiki kaisha, kabushiki gaisha
kg: kg, ohg, gmbh co kg, kgaa
ev: ev, e v
fund: trust reg
"""

# What a company does or where it stands says less than what it is called.
GENERIC = frozenset(
    """
    academy air airlines and association aviation bank banking capital center central centre chemical
    committee company construction consulting contracting council de del department des development dlya
    energy engineering enterprise enterprises equipment est establishment et export exports factory
    federation finance financial firm first for foundation fund fur gas general global government group
    groupe gruppe holding holdings i import imports industrial industries industry institute institution
    international intl investment investments la le lines logistics management manufacturing marine
    medical ministry na national of office oil organisation organization partners petrochemical petroleum
    pharmaceutical plant pri production products service services shipping society solutions system
    systems technical technologies technology the trade trading transport transportation trust und union
    university works worldwide y za
    """.split()  # noqa: SIM905
)

TITLES = frozenset(
    """
    alhaji ayatollah capt captain chairman col colonel dr eng engineer esq frau gen general hadji haji
    hajj hajji herr hon ii iii imam iv jr junior lady lieutenant lord m madam maj major maulana maulavi
    maulvi mawlawi md minister miss mme monsieur mr mrs ms mulla mullah phd prasident president presidente
    prof professor rev sayed sayyid senior senor senora shaikh shaykh sheik sheikh sir sr sra
    """.split()  # noqa: SIM905
)
VESSEL_TITLES = frozenset(["mv", "mt", "ms", "ss", "mts", "fv", "vessel", "motor", "tanker"])

PARTICLES = frozenset(
    """
    abou abu ad af al an ar as ash at av ben bin bint da das de del della den der di dos du e el ibn la
    las le los of ould saint st ten ter the ud ul umm van von y zu zum zur
    """.split()  # noqa: SIM905
)
# Particles that are one and the same in other spellings.
PARTICLE_FORMS = {
    "ben": "bin", "ibn": "bin", "el": "al", "ul": "al", "ud": "al", "ad": "al", "ash": "al", "abou": "abu",
    "an": "al", "ar": "al", "at": "al", "as": "al",
}  # fmt: skip

# Each line: given names that are used for one another.
_NICKNAMES = """
benjamin ben benny bibi
barack barak barry
theodore ted teddy theo
edward ed eddie ted ned teddy
william bill billy will willy liam
robert bob bobby rob robbie
richard dick rick ricky rich
james jim jimmy jamie
john jack johnny jon juan jean johann johannes jan ivan giovanni joao
joseph joe joey jose giuseppe josef yusuf youssef yousef
michael mike mick mikhail miguel michel mickey
alexander alex alexandr alexandre aleksandr oleksandr sasha sascha sandro alejandro iskander
elizabeth liz beth betty eliza lisa
catherine kate katie cathy katherine ekaterina kathryn
margaret maggie meg peggy greta
anthony tony antonio anton antoine
thomas tom tommy tomas
charles charlie chuck carlos karl carl carlo
daniel dan danny
david dave davy dawud daoud
samuel sam sammy
matthew matt matteo matthieu
peter pete pyotr petr pedro pierre pietro boutros
paul pavel pablo paolo pol
george georg jorge georgi giorgio jorg yuri
nicholas nick nikolai nikolay nicolas nikolaos
christopher chris kit christoph
patrick pat paddy
stephen steve steven stefan stephan esteban
andrew andy drew andrei andrey andreas andre
gregory greg grigori grigory
dmitri dmitry dima dimitri
vladimir volodymyr vova wladimir
sergei sergey serge serhiy sergio serhii
eugene evgeny yevgeny gene
abdul abd abdel abdal abdol
mohammed muhammad mohammad mohamed muhammed mohamad mehmet mahomed mohd md
ahmed ahmad ahmet
ali aly
hussein husain hussain hossein husayn hussien
hassan hasan
omar umar omer
osama usama
said saeed sayeed
khalid khaled
yasir yasser
ibrahim abraham ebrahim
isa eissa issa
mustafa mostafa moustafa
rahman rehman rahmaan
aisha ayesha
fatima fatma fatemeh
xi shi si
"""

NUMBERS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "first": "1", "second": "2",
    "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7", "eighth": "8", "ninth": "9",
    "tenth": "10", "1st": "1", "2nd": "2", "3rd": "3", "4th": "4", "5th": "5", "6th": "6", "7th": "7",
    "8th": "8", "9th": "9", "10th": "10",
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip


def _forms() -> dict[tuple[str, ...], str]:
    found = {}
    for line in _LEGAL_FORMS.strip().splitlines():
        code, _, spellings = line.partition(":")
        for spelling in spellings.split(","):
            found[tuple(spelling.replace("'", "").split())] = code
    return found


def _nicknames() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for number, line in enumerate(_NICKNAMES.strip().splitlines()):
        for name in line.split():
            found.setdefault(name, set()).add(number)
    return {name: frozenset(numbers) for name, numbers in found.items()}


LEGAL_FORMS = _forms()
LEGAL_FORM_WORDS_MAX = max(map(len, LEGAL_FORMS))
NICKNAMES = _nicknames()


def same_given_name(one: str, other: str) -> bool:
    """Tell whether two given names are used for one another."""
    mine, others = NICKNAMES.get(one), NICKNAMES.get(other)
    return mine is not None and others is not None and not mine.isdisjoint(others)
