"""What a job-submit plugin of a site says to a person, by a real Slurm with a plugin in Lua."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.errors import SlurmError, SlurmUnavailable
from hub.servers.models import Ending
from hub.slurm import reasons
from hub.slurm.client import SlurmClient
from hub.slurm.reasons import Whose
from spawners.job.diagnosis import Facts, Stage, diagnose
from tests.deployment import Deployment
from tests.slurm.conftest import ACCOUNT
from tests.slurm.test_endings import script

pytestmark = pytest.mark.slurm

RULES = """
function slurm_job_submit(job, partitions, uid)
  if job.comment == "without words" then return slurm.ERROR end
  slurm.log_user("GPU jobs belong in partition gpu.\\nRead the Resources page, or call 4711.")
  return job.comment == "by a limit" and slurm.ESLURM_ACCOUNTING_POLICY or slurm.ERROR
end

function slurm_job_modify(job, record, partitions, uid)
  return slurm.SUCCESS
end
"""


@pytest.fixture
async def rules(deployment: Deployment, slurm: SlurmClient, founder: str) -> AsyncIterator[None]:
    """Slurm with the plugin, and afterwards as it was."""
    await slurm.ensure_account(ACCOUNT, description="Green steel", cpu_minutes=6000, gpu_minutes=600)
    await slurm.ensure_members(ACCOUNT, [founder])
    conf = deployment.slurm_conf
    plugin, before = conf.with_name("job_submit.lua"), conf.read_text()
    plugin.write_text(RULES)
    conf.write_text(f"{before}\nJobSubmitPlugins=lua\n")
    deployment.run("scontrol", "reconfigure")
    try:
        yield
    finally:
        conf.write_text(before)
        deployment.run("scontrol", "reconfigure")
        plugin.unlink()


async def refusal(slurm: SlurmClient, founder: str, comment: str) -> str:
    with pytest.raises(SlurmError) as raised:
        await slurm.submit(script("true", "--time=5", f"--comment='{comment}'"), user=founder, environment={})
    assert not isinstance(raised.value, SlurmUnavailable)
    return raised.value.message


@pytest.mark.parametrize("comment", ["by itself", "by a limit"])
async def test_the_text_of_the_plugin_reaches_the_person(
    slurm: SlurmClient, founder: str, rules: None, comment: str
) -> None:
    text = await refusal(slurm, founder, comment)
    verdict = diagnose(Facts(stage=Stage.SUBMIT, refusal=text))
    assert verdict.ending is Ending.REFUSED
    assert "“GPU jobs belong in partition gpu. Read the Resources page, or call 4711”" in verdict.message, text
    assert reasons.refusal(text).whose is Whose.REQUEST


async def test_a_plugin_without_words_is_slurms_refusal(slurm: SlurmClient, founder: str, rules: None) -> None:
    text = await refusal(slurm, founder, "without words")
    assert "“Unspecified error”" in diagnose(Facts(stage=Stage.SUBMIT, refusal=text)).message, text
