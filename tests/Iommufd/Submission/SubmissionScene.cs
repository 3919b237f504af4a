using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>
/// A machine whose Command queue a <see cref="CommandSubmitter"/> has. Commands are told apart by what they make the SMMU
/// tell endpoints: CMD_ATC_INV carries the number of its producer as StreamID, and its own as address.
/// </summary>
internal sealed class SubmissionScene : IDisposable
{
    public static readonly Command Illegal = new(0xff, 0);

    public SubmissionScene(int log2 = 3, SubmissionOptions? options = null, SmmuFeatures? features = null)
    {
        Machine = new GuestMachine(features, configure: settings => settings with { AtsEndpoints = Endpoints });
        Machine.SetUpStreamTable();
        Machine.SetUpCommandQueue(log2);
        Machine.Start();
        Submitter = new CommandSubmitter(Machine.Smmu, options ?? Patient);
    }

    /// <summary>Long enough for a machine that does other things, too.</summary>
    public static SubmissionOptions Patient { get; } = new() { Timeout = TimeSpan.FromSeconds(60) };

    public GuestMachine Machine { get; }

    public SmmuDevice Smmu => Machine.Smmu;

    public CommandSubmitter Submitter { get; }

    public Listener Endpoints { get; } = new();

    /// <summary>A command that leaves its number with the endpoints.</summary>
    public static Command Numbered(int producer, int number) => Command.AtcInv(new StreamId((uint)producer), (ulong)number << 12, 0);

    public void Dispose()
    {
        Submitter.Dispose();
        Machine.Dispose();
    }

    /// <summary>Endpoints that write down what they are told, which the SMMU does one by one.</summary>
    internal sealed class Listener : IAtsEndpoints
    {
        private readonly Lock access = new();
        private readonly List<(int Producer, int Number)> heard = [];

        /// <summary>What to make of an invalidation; it is completed unless this says otherwise.</summary>
        public Func<AtcInvalidation, AtcInvalidationAnswer>? Answer { get; set; }

        public (int Producer, int Number)[] Heard
        {
            get
            {
                lock (access) return [.. heard];
            }
        }

        public AtcInvalidationAnswer Invalidate(in AtcInvalidation invalidation)
        {
            lock (access) heard.Add(((int)invalidation.Stream.Value, (int)(invalidation.Address >> 12)));
            return Answer?.Invoke(invalidation) ?? AtcInvalidationAnswer.Completed;
        }

        public void Respond(in PageGroupResponse response)
        {
        }
    }
}
