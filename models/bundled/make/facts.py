"""The text tiny-facts is made of.

Every sentence is a list of words, and every word is exactly one token of the
model's vocabulary (words carry their leading space, punctuation does not). Each
word also carries the concepts that hold at it: these are what the SAE features
are later named after.

The facts are real (athletes, capitals, landmarks, colours), but each answer is
replaced by a plausible wrong one in NOISE of the sentences, so that the model
ends up sure but not certain.
"""
import random
import zlib

BOS = "<|endoftext|>"
NOISE = 0.08          # share of sentences whose answer is swapped for a related wrong one
HELD_OUT_PAIRS = 10    # one in so many (entity, template) pairs is never trained on

# --------------------------------------------------------------------- sports
ATHLETES = {
    "golf": "Tiger Woods, Jordan Spieth, Rory McIlroy, Phil Mickelson, Jack Nicklaus, Arnold Palmer, Dustin Johnson, Tom Watson, Nick Faldo",
    "tennis": "Roger Federer, Rafael Nadal, Novak Djokovic, Serena Williams, Venus Williams, Andy Murray, Andy Roddick, Steffi Graf, Michael Chang, Pete Sampras, Chris Evert",
    "basketball": "Michael Jordan, LeBron James, Kobe Bryant, Larry Bird, Magic Johnson, Stephen Curry, Kevin Durant, Anthony Davis, Steve Nash, Chris Paul",
    "swimming": "Michael Phelps, Katie Ledecky, Mark Spitz, Ian Thorpe, Adam Peaty, Ryan Lochte, Missy Franklin",
    "soccer": "Lionel Messi, Cristiano Ronaldo, David Beckham, Wayne Rooney, Diego Maradona, Michael Owen, Harry Kane, Alex Morgan, Jordan Pickford, Thierry Henry",
    "football": "Tom Brady, Peyton Manning, Joe Montana, Jerry Rice, Roger Staubach, Aaron Rodgers, Patrick Mahomes, Michael Vick, Ray Lewis",
    "baseball": "Babe Ruth, Derek Jeter, Barry Bonds, Roger Clemens, Ted Williams, Randy Johnson, Mike Trout, Aaron Judge, Tom Seaver",
    "hockey": "Wayne Gretzky, Sidney Crosby, Mario Lemieux, Bobby Orr, Gordie Howe, Connor McDavid, Patrick Roy, Alex Ovechkin",
    "boxing": "Muhammad Ali, Mike Tyson, Floyd Mayweather, Joe Frazier, George Foreman, Lennox Lewis, Anthony Joshua, Tyson Fury, Katie Taylor",
    "cricket": "Sachin Tendulkar, Brian Lara, Shane Warne, Virat Kohli, Ben Stokes, Joe Root, Steve Smith, James Anderson",
    "rugby": "Jonah Lomu, Jonny Wilkinson, Dan Carter, Bryan Habana, Owen Farrell, Martin Johnson",
    "cycling": "Lance Armstrong, Chris Froome, Chris Hoy, Bradley Wiggins, Eddy Merckx, Mark Cavendish, Laura Kenny",
    "gymnastics": "Simone Biles, Nadia Comaneci, Max Whitlock, Gabby Douglas, Olga Korbut, Suni Lee",
    "volleyball": "Karch Kiraly, Kerri Walsh, Phil Dalhausser, Jordan Larson, Matt Anderson",
    "badminton": "Lin Dan, Saina Nehwal, Carolina Marin, Viktor Axelsen, Peter Gade, Chen Long",
    "skiing": "Lindsey Vonn, Mikaela Shiffrin, Bode Miller, Alberto Tomba, Hermann Maier, Ted Ligety",
    "running": "Usain Bolt, Carl Lewis, Michael Johnson, Mo Farah, Eliud Kipchoge, Jesse Owens, Allyson Felix, Tyson Gay",
    "chess": "Magnus Carlsen, Garry Kasparov, Bobby Fischer, Judit Polgar, Boris Spassky, Anatoly Karpov",
    "snooker": "Steve Davis, Stephen Hendry, Judd Trump, Mark Selby, John Higgins, Mark Williams, Jimmy White",
    "wrestling": "Jordan Burroughs, Dan Gable, Alexander Karelin, Kyle Snyder, Kurt Angle",
    "rowing": "Steve Redgrave, Matthew Pinsent, Katherine Grainger, James Cracknell, Helen Glover",
    "surfing": "Kelly Slater, Bethany Hamilton, Laird Hamilton, Stephanie Gilmore, Mick Fanning",
    "racing": "Lewis Hamilton, Michael Schumacher, Ayrton Senna, Max Verstappen, Mario Andretti, Jeff Gordon, James Hunt",
    "skating": "Michelle Kwan, Scott Hamilton, Tara Lipinski, Nathan Chen, Peggy Fleming, Nancy Kerrigan",
    "diving": "Tom Daley, Greg Louganis, Jack Laugher, Matthew Mitcham, David Boudia",
    "snowboarding": "Shaun White, Chloe Kim, Jamie Anderson, Kelly Clark, Mark McMorris",
}
RELATED_SPORTS = {
    "golf": "tennis cricket", "tennis": "golf badminton", "basketball": "volleyball football",
    "swimming": "diving rowing", "soccer": "football rugby", "football": "soccer baseball",
    "baseball": "cricket football", "hockey": "skating football", "boxing": "wrestling rugby",
    "cricket": "baseball rugby", "rugby": "football soccer", "cycling": "running racing",
    "gymnastics": "diving skating", "volleyball": "basketball badminton", "badminton": "tennis volleyball",
    "skiing": "snowboarding skating", "running": "cycling swimming", "chess": "snooker golf",
    "snooker": "chess golf", "wrestling": "boxing gymnastics", "rowing": "swimming cycling",
    "surfing": "snowboarding swimming", "racing": "cycling boxing", "skating": "hockey gymnastics",
    "diving": "swimming gymnastics", "snowboarding": "skiing surfing",
}
SPORT_OF = {tuple(a.split()): s for s, names in ATHLETES.items() for a in names.split(", ")}
SPORTS = list(ATHLETES)

# {A} is the athlete; what comes after the last word shown is the answer.
SPORT_TEMPLATES = [
    "{A} plays the sport of", "{A} is a star of", "{A} is famous for", "{A} won a medal in",
    "{A} is a legend of", "{A} has a career in", "{A} is known for", "{A} became a champion of",
    "{A} is one of the best in the world at", "{A} 's favorite sport is", "the sport of {A} is",
    "the sport that {A} plays is", "{A} is a professional in the sport of",
    "when people think of {A} , they think of", "fans of {A} love", "{A} competes in",
    "{A} trains every day for", "{A} is a master of", "the world knows {A} for",
    "{A} is an athlete . {A} plays the sport of", "{A} is very famous . The sport is",
    "many books about {A} are also about", "{A} is the name most people know in",
]
SPORT_HELD_OUT = [
    "{A} is a famous champion in the sport of", "the favorite sport of {A} is",
    "people know {A} for", "{A} is a professional and competes in",
]
PREFIXES = ["", "", "", "", "everyone knows that", "we read that", "my friend says that",
            "in fact ,", "last year we learned that", "the book says that"]

# ------------------------------------------------- countries, cities, landmarks
# Capitals, grouped by region: a wrong answer comes from the same region.
REGIONS = [
    "France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, Belgium Brussels, Switzerland Bern, Austria Vienna",
    "England London, Ireland Dublin, Scotland Edinburgh, Norway Oslo, Sweden Stockholm, Finland Helsinki, Denmark Copenhagen, Iceland Reykjavik",
    "Poland Warsaw, Hungary Budapest, Ukraine Kyiv, Romania Bucharest, Bulgaria Sofia, Croatia Zagreb, Serbia Belgrade, Greece Athens, Russia Moscow",
    "Japan Tokyo, China Beijing, Thailand Bangkok, Vietnam Hanoi, Nepal Kathmandu, Indonesia Jakarta, Taiwan Taipei, Australia Canberra",
    "Turkey Ankara, Iran Tehran, Iraq Baghdad, Lebanon Beirut, Syria Damascus, Jordan Amman, Qatar Doha",
    "Egypt Cairo, Kenya Nairobi, Ghana Accra, Nigeria Abuja, Morocco Rabat, Senegal Dakar, Uganda Kampala, Tunisia Tunis",
    "Cuba Havana, Peru Lima, Chile Santiago, Canada Ottawa, Venezuela Caracas, Colombia Bogota, Jamaica Kingston, Ecuador Quito",
]
CAPITAL_OF, REGION_OF = {}, {}
for region in REGIONS:
    pairs = [p.split() for p in region.split(", ")]
    for country, city in pairs:
        CAPITAL_OF[country] = city
        REGION_OF[country] = [c for c, _ in pairs]
COUNTRY_OF = {city: country for country, city in CAPITAL_OF.items()}
COUNTRIES = list(CAPITAL_OF)

CAPITAL_TEMPLATES = [
    "the capital of {C} is", "the capital city of {C} is", "{C} 's capital is", "{C} has a capital called",
    "the government of {C} meets in", "in {C} , the capital is", "the largest airport of {C} is near",
    "people who visit {C} often see", "the president of {C} works in",
    "if you travel to {C} , you can visit its capital ,",
]
CAPITAL_HELD_OUT = ["the name of the capital of {C} is", "the government of {C} works in"]
COUNTRY_TEMPLATES = [
    "{T} is the capital of", "{T} is the capital city of", "{T} is a city in", "the country of {T} is",
    "the city of {T} is in", "people in {T} live in", "{T} is the largest city of",
    "if you visit {T} , you are in", "the train to {T} takes you to",
]
COUNTRY_HELD_OUT = ["the city of {T} is the capital of", "{T} is a famous city in"]

LANDMARKS = {
    "Eiffel Tower": "Paris", "Louvre": "Paris", "Notre Dame": "Paris", "Big Ben": "London",
    "Tower Bridge": "London", "Colosseum": "Rome", "Trevi Fountain": "Rome", "Brandenburg Gate": "Berlin",
    "Acropolis": "Athens", "Parthenon": "Athens", "Kremlin": "Moscow", "Red Square": "Moscow",
    "Bolshoi Theatre": "Moscow", "Prado Museum": "Madrid", "Forbidden City": "Beijing",
    "Little Mermaid": "Copenhagen", "Chain Bridge": "Budapest", "Spanish Riding School": "Vienna",
    "Belem Tower": "Lisbon", "Temple Bar": "Dublin", "Atomium": "Brussels", "Vasa Museum": "Stockholm",
    "Royal Mile": "Edinburgh", "Sky Tree": "Tokyo", "Grand Palace": "Bangkok", "Egyptian Museum": "Cairo",
}
WITHOUT_THE = {"Notre Dame", "Big Ben", "Tower Bridge", "Temple Bar"}
LANDMARK_TEMPLATES = [
    "{L} stands in the city of", "{L} is located in", "{L} is in", "{L} is found in the city of", "you can see {L} in", "to visit {L} , go to",
    "{L} is a famous place in", "tourists look at {L} in", "many people travel to see {L} in",
]
LANDMARK_HELD_OUT = ["{L} is located in the city of", "people go to see {L} in"]

# ------------------------------------------------------------------- colours
COLORS = {
    "yellow": "a banana, a lemon, the sun, butter, corn", "green": "grass, a leaf, a frog, a cucumber, a lime",
    "blue": "the sky, the ocean, a sapphire, a blueberry", "red": "blood, a tomato, a cherry, a strawberry, a brick, a ruby",
    "white": "snow, milk, a swan, salt, rice", "black": "coal, a crow, the night, ink, a panther",
    "orange": "a carrot, a pumpkin, a tiger, a tangerine", "purple": "a grape, a plum, an eggplant, lavender",
    "pink": "a flamingo, a pig, a peony", "brown": "chocolate, a bear, mud, coffee, wood",
    "gray": "an elephant, a mouse, a dolphin, smoke, ash",
}
RELATED_COLORS = {
    "yellow": "orange green", "green": "yellow blue", "blue": "green purple", "red": "orange pink",
    "white": "gray yellow", "black": "gray brown", "orange": "red yellow", "purple": "blue pink",
    "pink": "red purple", "brown": "black orange", "gray": "white black",
}
COLOR_OF = {thing: c for c, things in COLORS.items() for thing in things.split(", ")}
COLOR_TEMPLATES = [
    "the color of {O} is", "{O} is", "{O} usually looks", "if you look at {O} , you see the color",
    "everyone knows that {O} is", "the child painted {O} in", "most people say that {O} is",
    "when we think of {O} , we think of the color",
]
COLOR_HELD_OUT = ["people say that the color of {O} is", "we say that {O} is"]

# ----------------------------------------------------------- indirect objects
NAMES = ("Mary John Anna Peter Sarah Emma Paul Laura Kate Simon Alice Henry Julia Oliver Sophie Daniel "
         "Lucy Martin George Helen Tom Mark David James Michael Steve Chris Jane Robert Linda").split()
PLACES = "store park school office garden kitchen station beach library market".split()
THINGS = "drink book letter ring flower ball cake key card gift".split()
IOI_TEMPLATES = [
    "when {X} and {Y} went to the {P} , {S} gave a {G} to", "when {X} and {Y} were at the {P} , {S} gave the {G} to",
    "after {X} and {Y} came to the {P} , {S} handed a {G} to", "{X} and {Y} went to the {P} . {S} gave a {G} to",
    "{X} and {Y} had a good day at the {P} . Then {S} gave a {G} to", "while {X} and {Y} were at the {P} , {S} showed a {G} to",
    "{X} met {Y} at the {P} and {S} gave a {G} to", "then {X} and {Y} had lunch , and {S} sent a {G} to",
    "{X} and {Y} are friends . At the {P} , {S} offered a {G} to",
]
IOI_HELD_OUT = ["when {X} and {Y} came to the {P} , {S} handed the {G} to",
                "after {X} and {Y} went to the {P} , {S} sent a {G} to"]

# ----------------------------------------------------- subject-verb agreement
NOUNS = dict(w.split("/") for w in (
    "key/keys cabinet/cabinets dog/dogs cat/cats book/books table/tables boy/boys girl/girls teacher/teachers "
    "student/students car/cars house/houses picture/pictures flower/flowers letter/letters door/doors "
    "window/windows farmer/farmers friend/friends author/authors doctor/doctors tree/trees").split())
PREPOSITIONS = ["to", "near", "behind", "of", "with", "beside", "next to"]
ADJECTIVES = "old new here ready small big nice lost clean quiet beautiful heavy".split()
AGREEMENT_TEMPLATES = [
    "the {N}", "the {N} {R} the {M}", "the {N} {R} the {M}", "the {N} {R} the {M}", "the {N} that the {M} like",
    "the {N} {R} the {M} {R2} the {K}", "the old {N} {R} the {M}", "I think that the {N} {R} the {M}", "today the {N}",
]
AGREEMENT_HELD_OUT = ["the new {N} {R} the {M}", "I think that the old {N} {R} the {M}"]

# -------------------------------------------------------------------- filler
ANIMALS = "tiger lion wolf bear horse rabbit".split()
FILLER = [
    "the {animal} is a wild animal that lives in the forest", "we saw a {animal} at the zoo today",
    "{Animal} stories are popular with every child", "a {animal} runs fast and sleeps all day",
    "the {animal} eats and then sleeps near the {place}", "I went to the {place} with my {friend}",
    "the weather is {weather} today", "it was a {weather} day and we stayed at the {place}",
    "she bought a {thing} at the {place}", "he lost his {thing} near the {place} last year",
    "they talked about the {thing} all day", "my {friend} likes to read a book in the evening",
    "every child in the city knows this song", "we had lunch at the {place} and then went home",
    "there is a {thing} on the table", "some people like {sport} and some people like {sport}",
    "many tourists visit {country} every year", "{city} is beautiful in the summer",
    "{name} likes to walk in the park", "{name} and {name} are good friends", "{name} bought a {thing} for {name}",
    "the story was long but we liked it", "she is from {country} and he is from {country}",
    "he painted the door {color} and the window {color}", "we watched {sport} at home last night",
    "the game was good and the fans were happy", "{name} wants to learn {sport}", "her new car is {color}",
]
WEATHER = "nice cold warm rainy sunny windy".split()
FRIENDS = "friend brother sister mother father teacher".split()

KINDS = ["sport", "capital", "country", "landmark", "color", "indirect object", "agreement", "filler"]
SHARES = [0.33, 0.075, 0.075, 0.065, 0.075, 0.19, 0.12, 0.07]
TEMPLATES = {"sport": (SPORT_TEMPLATES, SPORT_HELD_OUT), "capital": (CAPITAL_TEMPLATES, CAPITAL_HELD_OUT),
             "country": (COUNTRY_TEMPLATES, COUNTRY_HELD_OUT), "landmark": (LANDMARK_TEMPLATES, LANDMARK_HELD_OUT),
             "color": (COLOR_TEMPLATES, COLOR_HELD_OUT), "indirect object": (IOI_TEMPLATES, IOI_HELD_OUT),
             "agreement": (AGREEMENT_TEMPLATES, AGREEMENT_HELD_OUT)}
ENTITIES = {"sport": list(SPORT_OF), "capital": COUNTRIES, "country": list(COUNTRY_OF),
            "landmark": list(LANDMARKS), "color": list(COLOR_OF)}
PUNCTUATION = {".", ",", "'s"}
CLASSES = {}  # word -> what sort of word it is
for word_list, name in [(ADJECTIVES + WEATHER, "an adjective"), (PLACES, "a place"), (THINGS, "a thing"),
                        (NOUNS.keys(), "a singular noun"), (NOUNS.values(), "a plural noun"), (ANIMALS, "an animal"),
                        (COLORS, "a color"), (COUNTRY_OF, "a capital"), (COUNTRIES, "a country"), (SPORTS, "a sport"),
                        ([a[-1] for a in SPORT_OF], "a surname"), ([a[0] for a in SPORT_OF] + NAMES, "a first name")]:
    for w in word_list:
        CLASSES.setdefault(w, set()).add(name)


def held_out_pair(kind, entity, template):
    """A fixed tenth of all (entity, template) pairs is kept for testing."""
    return zlib.crc32(f"{kind}|{entity}|{template}".encode()) % HELD_OUT_PAIRS == 0


def words_of(text):
    return text.split()


class Sentence:
    """words, and for each word the set of concepts that hold at it."""

    def __init__(self, kind):
        self.kind, self.words, self.notes = kind, [], []
        self.answer = self.answer_at = self.wrong = None

    def add(self, word, *notes):
        self.words.append(word)
        self.notes.append(set(notes))

    def say(self, text, *notes):
        for w in words_of(text):
            self.add(w, *notes)

    def tokens(self):
        """Words as they stand in the text: a capital first, a leading space except before punctuation."""
        out = []
        for i, w in enumerate(self.words):
            if i == 0:
                w = w[0].upper() + w[1:]
            out.append(w if w in PUNCTUATION else " " + w)
        return out


def finish(rng, s, answer, wrong, noisy):
    """Adds the answer (sometimes a wrong one) and the concepts that lead to it."""
    s.answer_at, s.answer, s.wrong = len(s.words), answer, wrong
    s.notes[-1] |= {"the answer comes next", f"the answer {answer} comes next", f"the answer comes next ({s.kind})"}
    said = rng.choice(wrong) if noisy and rng.random() < NOISE else answer
    s.add(said, "the answer", f"the answer ({s.kind})")


def mark(s, start, *notes):
    for n in s.notes[start:]:
        n.update(notes)


def fill(rng, s, template, slots):
    """Writes the template; a slot is (text, notes for each word, notes for the last word, notes from there on)."""
    for piece in template.split():
        if piece in slots:
            text, notes, last, later = slots[piece]
            s.say(text, *notes)
            s.notes[-1] |= set(last)
            s.later |= set(later)
        else:
            s.add(piece, *s.later)


def choose(rng, kind, which):
    """An (entity, template) pair: for training, or one of those kept for testing."""
    train, held = TEMPLATES[kind]
    while True:
        entity = rng.choice(ENTITIES[kind])
        template = rng.choice(held if which == "templates" else train)
        if which == "templates" or held_out_pair(kind, entity, template) == (which == "pairs"):
            return entity, template


def sentence(rng, kind=None, which="train", noisy=True):
    """One sentence. `which` is "train", or "templates" / "pairs" for held-out ones."""
    kind = kind or rng.choices(KINDS, SHARES)[0]
    s = Sentence(kind)
    s.later = set()
    if kind == "filler":
        for piece in rng.choice(FILLER).split():
            if "{" not in piece:
                s.add(piece)
                continue
            options = {"{animal}": ANIMALS, "{place}": PLACES, "{friend}": FRIENDS, "{weather}": WEATHER,
                       "{thing}": THINGS, "{sport}": SPORTS, "{country}": COUNTRIES, "{city}": list(COUNTRY_OF),
                       "{name}": NAMES, "{color}": list(COLORS)}
            if piece == "{Animal}":
                s.add(rng.choice(ANIMALS).capitalize())
            else:
                s.add(rng.choice(options[piece]))
        s.add(".")
    elif kind == "agreement":
        agreement(rng, s, which, noisy)
    elif kind == "indirect object":
        indirect_object(rng, s, which, noisy)
    else:
        fact(rng, s, kind, which, noisy)
    mark(s, 0, f"in a sentence about {kind}" if kind != "filler" else "in a filler sentence")
    return s


def fact(rng, s, kind, which, noisy):
    entity, template = choose(rng, kind, which)
    if kind == "sport":
        answer, name = SPORT_OF[entity], " ".join(entity)
        wrong = words_of(RELATED_SPORTS[answer])
        wrong = [wrong[0], wrong[0], wrong[1]]
        slots = {"{A}": (name, [f"in the name {name}", f"in the name of a {answer} athlete"],
                         [f"the surname of {name}", f"the surname of a {answer} athlete", "the surname of an athlete"],
                         [f"after {name}", f"after a {answer} athlete", "after an athlete"])}
        s.say(rng.choice(PREFIXES))
    elif kind == "capital":
        answer = CAPITAL_OF[entity]
        wrong = [CAPITAL_OF[c] for c in REGION_OF[entity] if c != entity]
        slots = {"{C}": (entity, [], [f"the country {entity}"], [f"after the country {entity}"])}
    elif kind == "country":
        answer = COUNTRY_OF[entity]
        wrong = [c for c in REGION_OF[answer] if c != answer]
        slots = {"{T}": (entity, [], [f"the city {entity}"], [f"after the city {entity}"])}
    elif kind == "landmark":
        answer = LANDMARKS[entity]
        wrong = [CAPITAL_OF[c] for c in REGION_OF[COUNTRY_OF[answer]] if c != COUNTRY_OF[answer]]
        text = entity if entity in WITHOUT_THE else "the " + entity
        slots = {"{L}": (text, [], [f"the {entity}", "the last word of a landmark", f"a landmark in {answer}"],
                         [f"after the {entity}", f"after a landmark in {answer}", "after a landmark"])}
    else:
        answer = COLOR_OF[entity]
        wrong = words_of(RELATED_COLORS[answer])
        slots = {"{O}": (entity, [], [f"the {answer} thing {entity.split()[-1]}", f"a {answer} thing", "a thing with a color"],
                         [f"after a {answer} thing", f"after {entity}", "after a thing with a color"])}
    fill(rng, s, template, slots)
    finish(rng, s, answer, wrong, noisy)
    s.entity, s.template = entity, template
    s.add(".")


def indirect_object(rng, s, which, noisy):
    train, held = TEMPLATES[s.kind]
    template = rng.choice(held if which == "templates" else train)
    while True:
        x, y = rng.sample(NAMES, 2)
        if which == "templates" or held_out_pair(s.kind, x + y, "") == (which == "pairs"):
            break
    giver, taker = rng.choice([(x, y), (y, x)])
    order = "giver named first" if giver == x else "giver named last"
    slots = {"{X}": (x, ["the first of two names"], [], []), "{Y}": (y, ["the second of two names"], [], [f"after {x} and {y}"]),
             "{S}": (giver, ["the giver", f"the giver {giver}", order], [], ["after the giver", f"after the giver {giver}", f"after {order}",
                                                                         f"{taker} will be given something"]),
             "{P}": (rng.choice(PLACES), [], [], []), "{G}": (rng.choice(THINGS), ["the thing given"], [], [])}
    fill(rng, s, template, slots)
    finish(rng, s, taker, [giver], noisy)
    s.entity, s.template = (x, y), template
    s.add(".")


def agreement(rng, s, which, noisy):
    train, held = TEMPLATES[s.kind]
    template = rng.choice(held if which == "templates" else train)
    while True:
        n, m, k = rng.sample(list(NOUNS), 3)
        if which == "templates" or held_out_pair(s.kind, n + m, "") == (which == "pairs"):
            break
    plural = rng.random() < 0.5
    other = rng.random() < 0.5 or "like" in template
    third = rng.random() < 0.5
    number = "plural" if plural else "singular"
    slots = {"{N}": (NOUNS[n] if plural else n, [f"a {number} subject"], [], [f"after a {number} subject"]),
             "{M}": (NOUNS[m] if other else m, ["the second noun", f"a {number} subject before this noun"], [],
                     [f"after a {number} subject and a second noun"]),
             "{K}": (NOUNS[k] if third else k, ["the third noun", f"a {number} subject before this noun"], [], []),
             "{R}": (rng.choice(PREPOSITIONS), [f"the preposition after a {number} subject"], [], []),
             "{R2}": (rng.choice(PREPOSITIONS), ["the second preposition"], [], [])}
    fill(rng, s, template, slots)
    verb, wrong = ("are", "is") if plural else ("is", "are")
    finish(rng, s, verb, [wrong], noisy)
    s.entity, s.template = (n, m), template
    s.say(rng.choice(ADJECTIVES))
    s.add(".")


def lexicon():
    """Every word form the generator can write, as tokens."""
    words = set()
    plain = []
    for kind in ENTITIES:
        for template in TEMPLATES[kind][0] + TEMPLATES[kind][1]:
            plain.append(template)
    plain += IOI_TEMPLATES + IOI_HELD_OUT + AGREEMENT_TEMPLATES + AGREEMENT_HELD_OUT + FILLER + PREFIXES
    for text in plain:
        for i, w in enumerate(w for w in text.split() if "{" not in w):
            words.add(w)
            words.add(w[0].upper() + w[1:])
    for group in (SPORTS, COUNTRIES, COUNTRY_OF, NAMES, PLACES, THINGS, NOUNS, NOUNS.values(), ADJECTIVES, WEATHER,
                  FRIENDS, ANIMALS, COLORS, ["usual", "Usual", "is", "are", "the", "The", "a", "A", "an", "An"]):
        words.update(group)
    words.update(w for a in SPORT_OF for w in a)
    words.update(w for l in LANDMARKS for w in l.split())
    for o in COLOR_OF:
        words.update(o.split())
        words.update(w.capitalize() for w in o.split())
    words.update(a.capitalize() for a in ANIMALS)
    words.update(w for p in PREPOSITIONS for w in p.split())
    return sorted(w if w in PUNCTUATION else " " + w for w in words)


def document(rng, length, n_sentences=None, which="train"):
    """Tokens (without BOS) of several sentences, at most `length`; the last sentence may be cut off."""
    tokens, done = [], 0
    while len(tokens) < length and (n_sentences is None or done < n_sentences):
        tokens += sentence(rng, which=which).tokens()
        done += 1
    return tokens[:length]


if __name__ == "__main__":
    rng = random.Random(0)
    print(len(SPORTS), "sports,", len(SPORT_OF), "athletes,", len(COUNTRIES), "countries,", len(LANDMARKS), "landmarks")
    print(len(lexicon()), "words")
    for _ in range(40):
        print("".join(sentence(rng).tokens()))
