"""The plane on which FedGen is looked at: a generator makes up for what a user does not see."""

from benchmarks.fedgen_toy import play


def test_a_taught_user_is_ahead_of_the_mean_and_of_itself() -> None:
    """Check 40: user < averaged < user with FedGen <= oracle, with ten points from end to end."""
    every = [play(seed) for seed in range(2)]
    user, averaged, taught, oracle = (
        sum(scores) / len(every) for scores in zip(*every, strict=True)
    )
    assert user < averaged < taught <= oracle
    assert taught - user >= 0.1
