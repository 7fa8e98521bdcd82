"""Noise versus novelty: is a broken measurement told from a changed behaviour? `python -m training noise-novelty`.

A *fault* is made in the recording of a real wearer, before it enters the agent's ingest, so that the agent meets it as
it would live. A *real novelty* is a fall or a freeze that somebody else labelled. Nothing is simulated but the faults.

Episodes
    Each episode is a stretch of one person's wear: 120 s of normal wear as lead-in (all sensors of that person at
    once), then what is judged: 60 s with a fault that stays (drift: 120 s), or one real novelty, or 60 s of normal wear
    with nothing done to it. Recordings of one person follow each other with a pause of 12 s, across which no window
    reaches. Where a person's wear is shorter, at least half of it is lead-in. A fault hits one sensor, drawn at
    random; direction, axis and place are drawn too, all from one seed.
    Sensors of a dataset that were themselves at fault (resting a second or more at a length that is 0.3 g off; some of
    UMAFall's chests rest at 0.25 g) are left out: nobody can say what is right there.
Faults
    `taxonomy.TAXONOMY`: kind, unit, and the strengths that count as slight, clear and gross. They were written down
    before any result was seen. *Slight* is within what healthy sensors and ordinary wear also show: the measurement is
    still fit for use. *Clear* spoils what is measured; *gross* makes it worthless.
    A fault that changes less than 1 % of the samples by more than 10 mg, and none by 1 g, did not take place (a range
    of 4 g while the person sits): its episode is left out and counted.
Answers
    One episode is one answer. Judged are all windows that overlap what is judged. Of each, the agent says {novelty}
    (alarm), {noise} (also where it calls any one sensor faulty while others decide), doubt (several labels) or
    {normal}. As in what it publishes, {noise} and doubt count from two such windows in a row on. If any says {novelty}
    or {noise}: the answer is `novelty` or `noise`, whichever more windows say, and `novelty` where they are equal. Else
    `doubt` where any window is in doubt, else `quiet`.
Figures
    F1 of `noise`: positives are the clear and gross faults. F1 of `novelty`: positives are the real novelties. An
    episode counts as found only with its own answer: doubt and quiet are misses for either. What else is answered
    `noise` (novelties, normal wear) or `novelty` (faults of any grade, normal wear) counts as false. Slight faults
    have no right answer but one wrong one, `novelty`. Macro-F1 is the mean of the two F1.
    Faults and novelties are not equally many; in each F1 every kind of fault (over its two grades) and every source
    of novelties weighs the same as the others of its class, and the two classes and normal wear weigh alike.
    Intervals: 95 % bootstrap over wearers.
What cannot be told
    By any program that sees only the samples of worn sensors, and so left out of the headline (the table shows them):
    - `sides`: left and right exchanged. On symmetrical wear both streams stay exactly as plausible as before.
    - `skew`: a clock that runs fast or slow is a person who moves slower or faster. (Ingest compares a device's clock
      with the gateway's; that is counted there, and is no matter of the samples.)
    And inside the headline, hard for reasons of the same kind: a gain of 20 % or a drift while someone never rests; a
    slip at the wrist, where every posture turns the sensor; a range of 2 g that is hardly ever reached.
"""
