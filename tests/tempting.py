"""Words that one could be tempted to take for a program's: names, places, what tells of people, passwords, projects."""

from __future__ import annotations

from random import Random

GIVEN = """
aaron abigail adam ahmed aisha albert alejandro alexander alexandra alfred alice alicia alison amanda amelia amir amy
andrea andrew angela anna anthony antonio arthur barbara ben benjamin beth brandon brian bruno caleb camille carla
carlos carmen caroline catherine charles charlotte chloe christina christopher clara claire colin connor cynthia
daniel david deborah denise diana diego dmitri dominic donald dorothy edward eleanor elena elizabeth emily emma
enrique erik esther ethan eva evelyn felix fernando florian francesca frank gabriel george gerald giovanni gloria
gordon grace gregory gustavo hannah harold harry heather heidi helen henry hugo ian igor isabella isabel ivan jack
jacob james jamal janet jasmine jason javier jennifer jeremy jessica joan joanna joel johannes john jonathan jorge
joseph joshua juan judith julia julian justin karen karl katherine keith kenneth kevin kimberly kyle laura lauren
leonard leila liam lily linda lisa louis lucas lucy luis marcus margaret maria marie mario martin mary mateusz matthew
megan melissa mia michael michelle miguel mohammed monica nancy natalie nathan nicholas nicole noah olga oliver olivia
oscar pablo pamela patricia patrick paul pedro peter philip rachel ralph ramon raul rebecca ricardo richard robert
roberto rodrigo roger ronald rosa roy russell ruth ryan sabine sally samantha samuel sandra sara sarah sebastian
sergei sharon sofia sophia stefan stephanie stephen steven susan sven tatiana teresa theodore theresa thomas timothy
tobias tomas tyler ursula valentina vanessa veronica victor victoria vincent virginia vladimir walter wendy wilhelm
william wolfgang xavier yvonne zachary
""".split()
"""Given names, in lower case."""
SURNAMES = """
abbott adams ahmed alvarez anderson andersson bailey bauer becker bennett bergmann bernard brown bianchi boyd bradley
brooks bryant campbell carlson castillo chavez cohen coleman collins cruz davies davis delgado diaz dimitrov dubois
dupont edwards eriksson espinoza evans ferrari fischer fitzgerald fleming flores foster fraser garcia gibson gomez
gonzalez gupta gutierrez hansen harris hernandez hoffmann hughes ibrahim ivanov jackson jansen jenkins jensen
johansson johnson jones kaiser kelly kennedy khan koch kowalski kruger kumar larsson leclerc lefebvre lewis lopez
mackenzie mancini martinez mcdonald mendoza meyer miller mitchell moore morales morgan morris mueller murphy murray
nelson neumann nguyen nielsen novak obrien olsen ortega ortiz owens patel pedersen perez petrov phillips popescu
powell ramirez ramos reyes reynolds richards rivera robinson rodriguez rogers romero rossi ruiz russo sanchez sanders
santiago schmidt schneider schulz scott silva simmons singh smith sokolov soto stewart sullivan suzuki tanaka taylor
thompson torres vargas vasquez wagner walsh watson weber williams wilson yamamoto zhang zimmermann
""".split()
"""Surnames."""
ALSO_WORDS = """
mark rich bill will rose may grace white black green page price park hunter mason cooper baker fisher harding
""".split()
"""Names that are words too: side by side, or behind a collection of people, they may be somebody."""
PLACES = """
amsterdam athens bangkok barcelona beirut belfast berlin bogota boston brussels bucharest budapest cairo chicago
cologne copenhagen dallas delhi detroit dresden dubai dublin dusseldorf edinburgh florence frankfurt geneva glasgow
hamburg helsinki houston istanbul kabul karachi kyiv lagos leipzig lisbon liverpool london lyon madrid manchester
marseille melbourne memphis miami milan montreal moscow mumbai munich nairobi naples oslo ottawa palermo paris
philadelphia prague rotterdam salzburg seattle seoul seville stockholm stuttgart sydney tehran tokyo toronto toulouse
turin valencia vancouver vienna warsaw wellington zagreb zurich
""".split()
"""Cities."""
TELLING = """
abortion addiction adultery aids alcoholism alzheimer anorexia arrested asthma atheist autism autistic bankrupt
bankruptcy bipolar bisexual cancer chemotherapy cocaine convicted dementia depressed depression diabetes diabetic
diagnosed disease divorce divorced drugs epilepsy ethnicity fired gay hepatitis heroin hiv homosexual immigrant
infertility jewish lesbian leukemia miscarriage murder muslim obesity overdose pregnancy pregnant prison psychosis
racist rape refugee rehab schizophrenia suicide syphilis therapist therapy transgender tuberculosis tumor undocumented
widow catholic christian hindu buddhist republican communist religion caste
""".split()
"""What tells of somebody's health, faith, love, or trouble."""
PASSWORDS = "swordfish letmein iloveyou qwerty shadowfax trustno1 welcome1 admin123 hunter2 password1 p4ssword".split()
"""Passwords, among the most usual ones."""
PROJECTS = "spark nova falcon mercury titan solar aurora orca dolphin zephyr kestrel bluebird osprey".split()
"""What programs' people call their projects: none of these behind a family that its maker alone serves."""

_SOMEBODYS = (
    "/users/{w}|/users/{W}|/v1/{w}|/{w}/{{id}}|/api/{w}/orders|/customers/{w}/orders|/patients/{w}|/orders/{w}-{v}|/{{{w}}}|/:{w}|"
    "/orders/{{id}}/{w}|/v1/{w}_{v}|/files/{w}.json|{W}Error|{W}NotFoundError|{w}_not_found|{W}{V}Error|openai.{W}Error|openai.{W}|"
    "openai.{w}.RateLimitError|{w}.errors.TimeoutError|requests.{w}_{v}.TimeoutError|{W}LimitExceededException|gpt-4o-{w}-{v}|"
    "llama-3-70b-{w}|<int:{w}>|/users/{w}@{{host}}|/users/{{id}}:{w}|^{w}/(?P<pk>\\d+)/$|{w}/{v}/"
).split("|")


def tempting(r: Random) -> str:
    """Return a route, the class of an error or the id of a model that holds somebody's name, place, trouble or password."""
    held, beside = (r.choice(r.choice((GIVEN, SURNAMES, PLACES, TELLING, PASSWORDS))) for _ in range(2))
    return r.choice(_SOMEBODYS).format(w=held, W=held.title(), v=beside, V=beside.title())


CUSTOMERS = """
acme globex initech umbrella contoso northwind fabrikam tailspin wayne stark hooli soylent cyberdyne tyrell wonka vandelay
dunder mifflin aperture gringotts
""".split()
"""What customers are called in examples."""
_BUSINESS = "bank group holdings insurance clinic hospital law partners consulting logistics pharma corp gmbh ltd inc".split()
_FOLDERS = (
    "home Users root var/lib opt srv mnt/data data app tmp workspace Documents Desktop Downloads projects src models etc "
    "work usr/local code repo volumes run"
).split()
_FILES = "thesis.docx notes.txt report.pdf salary.xlsx id_rsa plan passwords.txt main.py app.log photos secrets.env".split()
_THINGS = "banana piano castle garden rocket turtle wizard tiger purple yellow coffee dolphin monkey dishwasher horse".split()
_ASKED = (
    "write a letter to {n} about {t}¦summarize the record of {n}¦{n} was {t}¦tell {n} that i am {t}¦email {n} the {t} report¦"
    "is {n} {t}¦should i leave {n}¦translate {t} for {n}¦please transfer money to {n}"
).split("¦")


def path(r: Random) -> str:
    """Return the path of a file or folder of somebody's."""
    folder, name, file = r.choice(_FOLDERS), r.choice(GIVEN), r.choice(_FILES)
    forms = ("/{d}/{n}/{f}", "{d}/{n}/{f}", "/{d}/{n}", "~/{d}/{f}", "./{d}/{f}", "../{n}/{f}", "C:/{d}/{n}/{f}", "/{d}/{n}/")
    return r.choice((*forms, "{n}/{f}", "file:///{d}/{n}")).format(d=folder, n=name, f=file)


def asked(r: Random) -> str:
    """Return what somebody asks for, written as a route, a class or a code."""
    text = r.choice(_ASKED).format(n=r.choice((*GIVEN, *SURNAMES)), t=r.choice(TELLING))
    words = text.split()
    camel = "".join(map(str.title, words))
    forms = ("/" + "-".join(words), "/" + "/".join(words), "/v1/" + "_".join(words), f"{camel}Error", "_".join(words))
    return r.choice((*forms, f"{'_'.join(words)}_error", f"/{{{'_'.join(words)}}}", f"{'.'.join(words)}.Error"))


def customer(r: Random) -> str:
    """Return a customer's name where routes and errors have their words."""
    name, kind = r.choice((*CUSTOMERS, *SURNAMES)), r.choice(_BUSINESS)
    forms = ("/customers/{n}", "/customers/{n}-{k}", "/{n}/{k}", "/v1/{n}_{k}", "{N}{K}Error", "{n}_{k}_failed", "/{n}{k}")
    more = (
        "/tenants/{n}/{{id}}",
        "/{n}{k}/{{id}}",
        "{n}.{k}.errors.NotFoundError",
        "{N}Error",
        "/{{{n}_{k}}}",
        "/{k}-{n}/{{id}}",
    )
    own = (
        "{n}_{k}.services.TimeoutError",
        "/project-{n}",
        "Project{N}NotFoundError",
        "{K}.{N}",
        "{N}.NotFound",
        "/api/{n}/{{id}}",
    )
    return r.choice((*forms, *more, *own)).format(n=name, N=name.title(), k=kind, K=kind.title())


def password(r: Random) -> str:
    """Return a password of words, with what people put behind one, where routes and errors have theirs."""
    if r.random() < 0.5:
        words = [r.choice(_THINGS) for _ in range(r.randint(3, 5))]
        camel = "".join(map(str.title, words))
        forms = ("-".join(words), "/" + "-".join(words), "/" + "".join(words), "/v1/" + "_".join(words), f"{camel}Error")
        return r.choice((*forms, camel, "_".join(words), "/" + "/".join(words)))
    word = r.choice(
        (*_THINGS, "summer", "winter", "welcome", "password", "letmein", "admin", "login", "secret", "test", "hello")
    )
    made = r.choice((word, word.title(), word.upper())) + r.choice(
        ("1", "12", "123", "1234", "2024", "2025!", "007", "99", "01")
    )
    return r.choice(("{}", "/{}", "/v1/{}", "{}Error", "/{{{}}}", "{}_error", "openai.{}", "openai.{}.Error", "{}/")).format(
        made
    )


def number(r: Random) -> str:
    """Return a day, an amount or an address that could be taken for a version."""
    year, month, day = r.randint(1927, 2026), r.randint(1, 12), r.randint(1, 31)
    short = year % 100 if year < 2000 else 27 + year % 70
    four = ".".join(str(r.randint(0, 255)) for _ in range(4))
    days = (
        f"{day:02}.{month:02}.{year}",
        f"{day}.{month}.{year}",
        f"{day:02}.{month:02}.{year % 100:02}",
        f"{day}.{month}.{short}",
    )
    others = (f"{short}.{month}.{day}", f"{year}-{month:02}-{day:02}", f"{month}/{day}/{year}", f"{year}{month:02}{day:02}")
    return r.choice(
        (*days, *others, four, f"{r.uniform(36, 42):.1f}", f"{r.uniform(10, 9000):.2f}", f"{r.uniform(-90, 90):.4f}")
    )


SWEEPS = {"paths": path, "asked": asked, "customers": customer, "passwords": password, "numbers": number}
"""What must never pass for a route, an error or a version, by kind."""
