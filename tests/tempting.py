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
