namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>The explorer finds what depends on an order of steps, and looks at every order.</summary>
public class ExplorerTests
{
    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public void ALostUpdateIsFoundOnceThereIsAPreemption(int preemptions, bool isFound)
    {
        bool wasLost = false;
        using var explorer = new Explorer(threads: 2, preemptions);
        explorer.Explore(() =>
        {
            int count = 0;
            void Add()
            {
                Explorer.Reach();
                int seen = count;
                Explorer.Reach();
                count = seen + 1;
            }

            return ([Add, Add], () => wasLost |= count != 2);
        });
        Assert.Equal(isFound, wasLost);
    }

    [Fact]
    public void EveryOrderOfStepsIsTried()
    {
        var orders = new HashSet<string>();
        using var explorer = new Explorer(threads: 2, mostPreemptions: int.MaxValue);
        explorer.Explore(() =>
        {
            string order = "";
            Action Body(char name) => () =>
            {
                for (int i = 0; i < 3; i++)
                {
                    Explorer.Reach();
                    order += name;
                }
            };

            return ([Body('a'), Body('b')], () => orders.Add(order));
        });
        Assert.Equal(20, orders.Count);   // 6 over 3.
    }

    [Fact]
    public void ThreadsThatWaitForEachOtherAreAFinding()
    {
        using var explorer = new Explorer(threads: 2, mostPreemptions: 1);
        bool never = false;
        void Wait()
        {
            while (!Volatile.Read(ref never)) Explorer.Pass();
        }

        var finding = Assert.Throws<InvalidOperationException>(() => explorer.Explore(() => ([Wait, Wait], () => { })));
        Assert.Contains("does not end", finding.InnerException!.Message);
    }

    [Fact]
    public void AThreadThatWaitsGoesOnWhenTheOtherHasDoneItsPart()
    {
        using var explorer = new Explorer(threads: 2, mostPreemptions: 2);
        explorer.Explore(() =>
        {
            bool isDone = false;
            void Wait()
            {
                while (!isDone) Explorer.Pass();
            }

            void Do()
            {
                Explorer.Reach();
                isDone = true;
            }

            return ([Wait, Do], () => Assert.True(isDone));
        });
        Assert.InRange(explorer.Runs, 2, 20);
    }
}
