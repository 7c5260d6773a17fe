"""The sample's neutral texts: 48 paragraphs of plain English prose, all of our own writing, in six kinds.

A model's loss on them before and after training says what it has forgotten (tuning/objectives/forgetting.py). They
have nothing to do with the benchmarks and the instruction rows of the sample. Places, people and works in the
narratives, the dialogues and the letters are invented.
"""

from __future__ import annotations

import json

WRITTEN: dict[str, tuple[str, ...]] = {
    "encyclopaedic": (
        "A delta forms where a river carries more sand and silt than the sea can take away. As the current slows, "
        "the coarsest grains fall first and build bars, around which the water divides. Over centuries the branches "
        "shift, silt up and break out again, so that the map of a delta is a picture of one moment only.",
        "Lichens are partnerships of a fungus and an alga, or of a fungus and a cyanobacterium. The fungus gives "
        "shelter and holds water; its partner makes sugar from light. They grow slowly, often less than a millimetre "
        "a year, and they live on bare rock where almost nothing else can. Some patches in the far north are "
        "thousands of years old.",
        "The lathe is among the oldest machine tools. In its simplest form a cord is wound around the workpiece and "
        "pulled to and fro, while a blade is held against the turning wood. The treadle freed one hand, and the "
        "water wheel freed both feet. What changed the craft most was the slide rest, which holds the tool more "
        "steadily than any arm.",
        "Most rain in the middle latitudes begins as ice. High in a cloud, droplets can stay liquid well below "
        "freezing, but a crystal that appears among them draws the vapour to itself and grows at their expense. It "
        "falls, melts on the way, and reaches the ground as a drop. In winter the last step is left out, and it "
        "snows.",
        "A guild was an association of people who followed one trade in one town. It set prices and standards, "
        "trained apprentices, looked after widows, and kept strangers from the market. Historians disagree about "
        "whether guilds held invention back or made it pay; the records of the towns give examples of both.",
        "Owls hear in three dimensions. In several species one ear sits higher in the skull than the other, so a "
        "rustle from below reaches them at slightly different times and strengths. The bird turns its face until "
        "both agree, and then it knows the direction well enough to strike a mouse in complete darkness.",
        "Paper reached Europe along the trade routes, many centuries after it was first made. Mills stood on fast "
        "clean streams, because rags had to be beaten to pulp and washed. A watermark told buyers whose mould a "
        "sheet came from. Wood replaced rags only when demand had outgrown every ragman's cart.",
        "The tides follow the moon, but not simply. The shape of a coast decides how high the water climbs: in a "
        "narrow bay that happens to swing in time with the pull, the range may exceed twelve metres, while on an "
        "enclosed sea it is hardly seen. Harbour tables are therefore made from measurements and not from theory "
        "alone.",
        "Saffron is the dried stigma of a crocus that flowers in autumn. Each flower has three threads, which are "
        "picked by hand in the early morning before the sun opens the petals fully. About a hundred and fifty "
        "flowers give a single gram. The plant sets no seed and depends on people to divide its corms.",
        "A suspension bridge hangs its deck from cables that run over towers to anchors in the ground. The cables "
        "are always in tension and the towers always in compression, which lets each material do what it does best. "
        "Wind is the enemy of long spans, and stiff, open or streamlined decks are the three answers to it.",
    ),
    "narrative": (
        "When the ferry had gone, Marta stayed on the jetty with the two suitcases and the cat in its basket. Nobody "
        "had come to meet her. The road climbed between stone walls to a row of white houses, and from one of the "
        "chimneys rose a thin straight line of smoke. She decided that it would be that house, and began to walk.",
        "The clockmaker had promised the piece for Friday, and on Thursday night he still had a wheel too many. He "
        "laid all the parts on a cloth, counted them, and counted them again. Towards morning he understood that the "
        "wheel had belonged to the old clock, which had been running wrong for eighty years without anybody noticing.",
        "My grandfather measured distance in pipes. To the mill was one pipe, to the market town two, and to the sea "
        "a whole pouch of tobacco. When he gave up smoking on the doctor's advice he went on reckoning in the same "
        "way, and every child in the village knew how long a pipe was although none had ever seen him light one.",
        "It snowed for three days, and on the fourth the postman came on skis. He had a parcel for us, a letter for "
        "the neighbours, and news for everyone. The bridge had held. The school would stay closed. He drank his tea "
        "standing up, left a puddle on the floor, and was a small dark mark on the slope before we had cut the "
        "string.",
        "Jonas found the key at low water, under a stone that was shaped like a loaf. It was too large for any door "
        "he knew. For a week he carried it in his pocket and tried it on sheds and gates. Then he hung it on a nail "
        "above his bed, and it opened nothing there for the rest of his childhood, which seemed to him a fair use of "
        "a key.",
        "The orchestra had tuned, the lights had gone down, and the conductor did not appear. After four minutes the "
        "first violin stood up, looked at the others, and raised her bow. They began without him. Halfway through "
        "the slow movement he slipped in by the side door, sat down on a spare chair, and listened to the end.",
        "On the morning of the move the house sounded different. Words came back from the bare walls a little late, "
        "as if someone in the next room were repeating them. Ilse swept the kitchen although nobody had asked her "
        "to, shut the window that had never shut properly, and found that for once it stayed.",
        "The mule refused the new bridge. It had crossed the ford for eleven years and saw no reason to trust "
        "planks. In the end the driver led it through the water beside the bridge, in full view of the mayor, the "
        "band and the ribbon, and the mule reached the other bank before the speech was over.",
    ),
    "technical": (
        "Before you change a bearing, clean the housing and measure the shaft at three places. A difference of more "
        "than two hundredths of a millimetre means that the shaft is worn and that a new bearing will not last. Warm "
        "the inner ring to about eighty degrees, push it home without striking it, and hold it until it has cooled.",
        "A hash table keeps its promise of quick access only while it is not too full. When the number of entries "
        "passes a fixed share of the slots, the table is doubled and every entry is placed again. A single insertion "
        "may thus be slow, but the cost of a long series, divided by its length, stays the same.",
        "The pump delivers forty litres a minute at a head of six metres. If the flow falls, check the strainer "
        "first, then the seal on the suction side, where even a small leak lets in air. Never run the pump dry: the "
        "water is also what cools and lubricates the shaft. After frost, turn the impeller by hand before switching "
        "on.",
        "To level the instrument, turn it until the tube lies along two of the foot screws, and turn these in "
        "opposite directions until the bubble stands in the middle. Then turn the tube by a right angle and use the "
        "third screw alone. Repeat both steps. If the bubble wanders when the instrument is turned right round, the "
        "tube itself needs adjusting.",
        "Concrete gains strength because cement reacts with water, and not because it dries. A slab that loses its "
        "water in the first days stays weak and dusty at the surface. It is therefore covered with sheets or "
        "sprayed, and in hot wind this matters more than the choice of cement. Three quarters of the final strength "
        "are there after a month.",
        "The backup runs in two steps. First a snapshot of the volume is taken, which needs a second or two and "
        "freezes nothing that people would notice. Then the snapshot is copied to the second site, block by block, "
        "and only blocks that changed since the last copy are sent. A restore is rehearsed on the first Monday of "
        "each quarter.",
        "Solder follows heat. Touch the iron to the wire and the pad together, wait a second, and feed the solder to "
        "the joint and not to the iron. A good joint is smooth and slightly hollow; a dull ball means that one side "
        "stayed cold. Take the solder away first and the iron after it, and do not move the wire while the metal "
        "sets.",
        "A sample of thirty is often called large enough, but that depends on the question. For the mean of a "
        "quantity that varies little, ten may do. For the share of a rare event, thirty are hopeless: if one in a "
        "hundred parts is faulty, most samples of thirty show none at all, and the estimate is zero with great "
        "confidence and no worth.",
    ),
    "dialogue": (
        '"You have put the tomatoes next to the fennel," said the old man over the fence. "Is that wrong?" "Nothing '
        'is wrong in a garden. But the fennel will win." "And if I move it?" "Then it will sulk, and win next year." '
        'She looked at the two rows for a while. "I could eat it," she said. "That," he said, "is how it is done."',
        '"Which platform for the coast?" "Four, but it is running late." "How late?" "They do not say. It left the '
        'last station, and after that there is only one track, so it cannot have gone anywhere else." "That is a '
        'comfort." "It is the only one the railway gives," said the man, and went back to his newspaper.',
        '"Read me the last line again." "The undersigned agree to nothing further." "Further than what?" "It does '
        'not say." "Then strike it out." "If I strike it out, they have agreed to everything." "Then leave it." The '
        'clerk held his pen above the paper. "You do see," he said, "that I have to do one or the other?"',
        '"How do you know that it is going to rain?" asked the boy. "The gulls have come inland." "And how do the '
        'gulls know?" "They feel it in the air." "Then why do we not feel it?" His aunt thought about this. "We '
        'did," she said, "before we had a roof. You lose what you do not need, and then you ask the gulls."',
        '"There is a hole in your theory," said Ruth. "Where?" "Between the second step and the third. You say that '
        'the box was empty because nobody saw anything in it." "Nobody did." "It was shut." Paul opened his mouth, '
        'closed it, and drew a small circle between the second step and the third. "I will call it an assumption," '
        "he said.",
        '"I should like to return this lamp." "What is the matter with it?" "It works." "That is not usually a '
        'reason." "It works all the time. I cannot find the switch." The assistant turned the lamp over, looked '
        'underneath, and turned it over once more. "I see," she said. "Would you like the one without light, or your '
        'money?"',
        '"Did you sleep?" "A little. The wind kept moving the shutter." "You should have tied it." "I did tie it. '
        'Then I lay awake because it was quiet." He poured the coffee into two bowls. "When I was at sea," he said, '
        '"we slept through storms and woke up when the engine stopped." "And what did you do then?" "We waited for '
        'it to start."',
    ),
    "list": (
        "For the walk you will need:\n- boots that have been worn before\n- a map of the eastern valley, on paper\n- "
        "water for six hours, since the spring below the pass is dry in August\n- something warm, whatever the "
        "forecast says\n- a whistle\nTell the warden at the hut which way you mean to come down.",
        "Order of the morning:\n1. Open the greenhouse vents before the sun reaches the roof.\n2. Water the "
        "seedlings from below.\n3. Look under the leaves for eggs.\n4. Turn the pots by a quarter.\n5. Write down "
        "the lowest temperature of the night.\nIf there is time left, sharpen the knives.",
        "Contents of the third drawer: two balls of string, one without an end; a bicycle bell; eleven keys on a "
        "ring and one beside it; a tin of buttons, mostly grey; the instructions for a radio that was sold long ago; "
        "a candle; half a pencil; and a photograph of the drawer, for reasons that nobody remembers.",
        "Minutes of the meeting:\n- The roof. Two offers are in, a third is promised. Decision next month.\n- The "
        "hedge. It will be cut after the birds have left it.\n- Parking. No agreement.\n- Any other business. Mr "
        "Adler asked who had moved the bench. Nobody had. The bench has nevertheless moved.",
        "What the names of the winds mean, as the fishermen here use them:\n- the carpenter: steady from the west, "
        "good for work\n- the aunt: warm, wet, stays longer than it should\n- the clerk: light and changing, worth "
        "nothing\n- the razor: north-east in winter, with a clear sky\nThere is no name for a calm.",
        "Three ways to find the middle of a board without a rule: fold a strip of paper that is as long as the board "
        "is wide; lay a stick across it aslant, so that the stick's even divisions meet both edges; or balance the "
        "board on a round bar and mark where it rests. The first is the quickest, the second the most exact, the "
        "third the most admired.",
        "Bread for two days. 500 g of flour, 350 g of water, 10 g of salt, and a piece of yeast the size of a "
        "hazelnut. Mix in the evening, fold three times while you wash up, leave it in the cold overnight. In the "
        "morning shape it without pressing out the air. Bake it dark. Wait an hour before cutting, if the household "
        "allows it.",
    ),
    "letter": (
        "Dear Helen, the parcel came on Tuesday, and the jars had all survived. We opened the plums at once and are "
        "keeping the quinces for a day that deserves them. The children send you a drawing, which is a horse "
        "although you may not think so. The river is high but stays where it should. Write when you know your dates. "
        "Yours, Anna",
        "To the editor: your article of last Saturday says that the old tram depot stands empty. It does not. Every "
        "Wednesday evening thirty people repair things there, from toasters to accordions, and on the first Sunday "
        "of the month there is soup. We should be glad to show your reporter the building from the inside.",
        "Dear Sir, I write about the bill of the fourth. It lists a night that I did not stay and a breakfast that, "
        "had I stayed, I should have remembered. I have no complaint about the room, the view or the dog. If you "
        "would be so kind as to take these two lines off, I will pay the rest by return and recommend the dog to my "
        "friends.",
        "Dear all, from Monday the north entrance will be closed for about three weeks while the paving is renewed. "
        "Please use the gate by the bicycle stands. Deliveries go to the yard as before. The lift is not affected. "
        "If you need step-free access at another time, ring the office and someone will come down. Thank you for "
        "your patience.",
        "Dear Tomas, you ask how the new job is. The work is what I expected and the people are better. Nobody "
        "shouts. My desk faces a wall on which someone has painted a window, with a tree in it, and in the afternoon "
        "the real sun falls on the painted leaves. I have not yet found out who did it. I look at it more than I "
        "should.",
        "Dear neighbours, on Saturday we shall be moving a piano up the stairs, with a pulley, between ten and noon. "
        "There will be some shouting, and we ask you to keep the landing clear. Anyone who wishes to help is "
        "welcome; anyone who wishes only to watch may do so from above. Afterwards there is cake, and, if all goes "
        "well, music.",
        "My dear sister, the doctor says that I may walk to the end of the garden, so I have had the bench carried "
        "there, to have something to arrive at. I read a page, watch the bees for a page, and read the same page "
        "again. It is a slow life and I recommend it, though not the way of getting to it. Come when the lilac is "
        "out.",
        "To whom it may concern: Miss Okoye has worked in our archive for five years. She brought order to eleven "
        "hundred boxes of which there was no list, and she did it without losing a sheet or her temper. She leaves "
        "us of her own wish. Whoever has old paper and wants to know what is in it could do no better.",
    ),
}


def neutral_texts() -> bytes:
    """One JSON object a line."""
    rows = [{"kind": kind, "text": text} for kind, texts in WRITTEN.items() for text in texts]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
