"""What attackers made of a client model, as it stands in an expert's file."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Quality:
    """Means over images.

    Attributes
    ----------
    mse : float
        Mean squared difference of pixels in [0, 1]; higher is more private.
    ssim : float
        Structural similarity in [-1, 1]; lower is more private.
    psnr : float
        Peak signal-to-noise ratio in dB for a peak of 1, at most 100; lower is more private.
    """

    mse: float
    ssim: float
    psnr: float


@final
@dataclass(frozen=True)
class Finding:
    """One attacker's result, without its images.

    Attributes
    ----------
    attacker : str
        Which one.
    quality : Quality
        Of its reconstructions of unseen images.
    """

    attacker: str
    quality: Quality


@final
@dataclass(frozen=True)
class Verdict:
    """What several attackers together say of a client model.

    Attributes
    ----------
    findings : tuple[Finding, ...]
        All attackers, at least one.
    blind : Quality
        Of one and the same guess for every image, the mean of those that the attackers
        knew: what can be had without any latent.
    threshold : float
        MSE that no attacker may come down to.
    informed : bool
        Whether the attackers had all that the server has: every image it holds, and the
        decoders that the client model was trained against.
    """

    findings: tuple[Finding, ...]
    blind: Quality
    threshold: float
    informed: bool = False

    @property
    def worst(self) -> Finding:
        """Attacker with the lowest error."""
        return min(self.findings, key=lambda finding: finding.quality.mse)

    @property
    def highest_ssim(self) -> float:
        """Highest similarity that any attacker reached."""
        return max(finding.quality.ssim for finding in self.findings)

    @property
    def resistant(self) -> bool:
        """Whether every attacker's error is above the threshold, and the threshold means much.

        Where the blind guess is no worse than the threshold, images are too much alike for
        it to tell anything, and nothing is called resistant.
        """
        return self.worst.quality.mse > self.threshold and self.blind.mse > self.threshold

    def describe(self) -> str:
        """Return the verdict in a sentence, with its numbers."""
        worst = self.worst.quality
        kind = "attackers with all that the server has" if self.informed else "fresh attackers"
        told = (
            f"the best of {len(self.findings)} {kind} ({self.worst.attacker}) reaches "
            f"MSE {worst.mse:.4f}, SSIM {worst.ssim:.2f}, PSNR {worst.psnr:.1f} dB; highest SSIM "
            f"of any {self.highest_ssim:.2f}; threshold {self.threshold:.4f}, blind guess "
            f"{self.blind.mse:.4f}"
        )
        if self.resistant and not self.informed:
            return (
                f"resistant to attackers that knew less than the server does: {told}; this verdict "
                f"is by the attack of an earlier version and does not count: pretrain it anew with "
                f"python -m taressfl and the same options, which attacks it with all there is"
            )
        if self.resistant:
            return f"resistant: {told}"
        if self.blind.mse <= self.threshold:
            return (
                f"not judged resistant: {told}; the threshold must lie below the blind guess to "
                f"say anything of these images"
            )
        older = "" if self.informed else "; that was the attack of an earlier version"
        return f"not resistant: {told}{older}"
